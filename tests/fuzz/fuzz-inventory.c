/* An inventory that is accepted has every layer it lists, and reads back from its own text. */
#include <stdlib.h>

#include "fuzz.h"
#include "image/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	AUTO_INVENTORY again = INVENTORY_INIT;
	AUTO_JSON *obj = NULL;
	const char *text;
	struct err err;

	if (inventory_parse("fuzz", (const char *)data, size, &inventory, &err) < 0)
		return 0;
	for (size_t i = 0; i < inventory.layers.len; i++) {
		struct digest d;

		if (digest_parse(inventory.layers.items[i], &d, &err) < 0 ||
		    !inventory_has(&inventory, &d))
			abort();
	}
	obj = inventory_to_json(&inventory);
	text = json_text(obj, false);
	if (inventory_parse("again", text, strlen(text), &again, &err) < 0 ||
	    again.layers.len != inventory.layers.len)
		abort();
	return 0;
}
