/* A digest that is accepted is written back as the same text, and never as anything else. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "codec/digest.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	struct digest d, again;
	struct err err;

	if (digest_parse(text, &d, &err) == 0) {
		if (strcmp(digest_format(&d).s, text) != 0)
			abort();
		if (digest_parse_hex(digest_hex(&d).s, &again, &err) < 0 ||
		    !digest_equal(&d, &again))
			abort();
	}
	if (digest_parse_hex(text, &d, &err) == 0 && strcmp(digest_hex(&d).s, text) != 0)
		abort();
	return 0;
}
