/* Manifests, indexes and image configs, as a registry sends them. */
#include <stdlib.h>

#include "fuzz.h"
#include "oci/image-config.h"
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_IMAGE_CONFIG c = IMAGE_CONFIG_INIT;
	struct err err;

	if (manifest_parse("input", NULL, (const char *)data, size, &m, &err) == 0 &&
	    (m.n_layers && m.n_entries))
		abort(); /* one document is one kind */
	if (image_config_parse("input", (const char *)data, size, &c, &err) == 0) {
		AUTO_JSON *json = image_config_to_json(&c);

		json_text(json, false);
	}
	return 0;
}
