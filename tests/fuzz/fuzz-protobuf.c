/* Protocol buffers: any bytes are walked to their end or refused, inside their bounds. */
#include <stdlib.h>

#include "codec/protobuf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct protobuf_reader r = { data, data + size };
	struct protobuf_field f;

	while (protobuf_next(&r, &f) > 0)
		if (f.data && (f.data < data || f.data + f.len > data + size))
			abort();
	return 0;
}
