/* config.json: what is accepted is written and accepted again; and the documents beside it. */
#include <stdlib.h>

#include "fuzz.h"
#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_SPEC spec, again;
	struct oci_seccomp profile = { 0 };
	struct oci_resources resources;
	const char *text = (const char *)data;
	struct err err;
	int r = oci_spec_parse(&spec, "input", text, size, &err);

	oci_spec_init(&again);
	if (r == 0) {
		AUTO_FREE char *out = oci_spec_format(&spec, false);

		oci_spec_done(&again);
		if (oci_spec_parse(&again, "again", out, strlen(out), &err) < 0)
			abort();
	}
	oci_resources_parse(&resources, "input", text, size, &err);
	oci_resources_done(&resources);
	if (oci_seccomp_parse_profile(&profile, "input", text, size, 0, &err) == 0)
		oci_seccomp_done(&profile);
	return 0;
}
