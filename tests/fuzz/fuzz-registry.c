/* Headers and small texts that registries and users hand to the image code: challenges, platforms,
 * Dockerfile instructions. The first byte chooses. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "fuzz.h"
#include "image/registry-internal.h"
#include "oci/image-config.h"

static void challenge(const char *text)
{
	struct challenge c;

	challenge_parse(text, &c);
	challenge_done(&c);
}

static void platform(const char *text)
{
	struct platform p, again;
	struct err err;

	if (platform_parse(text, &p, &err) < 0)
		return;
	/* what is written reads back as the same */
	if (platform_parse(platform_format(&p).s, &again, &err) < 0 ||
	    platform_rank(&p, &again) != 0)
		abort();
}

static void change(const char *text)
{
	AUTO_IMAGE_CONFIG c = IMAGE_CONFIG_INIT;
	struct err err;

	if (image_config_change(&c, text, &err) == 0) {
		AUTO_JSON *json = image_config_to_json(&c);

		json_text(json, false);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;

	if (size == 0)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		challenge(text);
		break;
	case 1:
		platform(text);
		break;
	default:
		change(text);
	}
	return 0;
}
