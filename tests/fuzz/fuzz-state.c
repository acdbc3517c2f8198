/* state.json of a container, as another version or a vandal may have left it. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "fuzz.h"
#include "runtime/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STATE st = { 0 };
	struct err err;

	if (state_parse((const char *)data, size, &st, &err) == 0) {
		AUTO_FREE char *text = runtime_state_format(&st, size & 1);

		if (st.pid <= 0 || !text[0])
			abort();
	}
	return 0;
}
