/* A reference that is accepted reads back from its full form as the same one. */
#include <stdlib.h>

#include "fuzz.h"
#include "oci/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size), *full = NULL, *again = NULL;
	AUTO_REF ref = IMAGE_REF_INIT, back = IMAGE_REF_INIT;
	struct err err;

	if (!text || image_ref_parse(text, &ref, &err) < 0)
		return 0;
	full = image_ref_full(&ref);
	if (image_ref_parse(full, &back, &err) < 0)
		abort();
	again = image_ref_full(&back);
	if (strcmp(full, again) != 0)
		abort();
	return 0;
}
