/* What is accepted must be written and read again as the same bytes. */
#include <stdlib.h>

#include "codec/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_JSON *first = NULL, *second = NULL;
	AUTO_FREE char *once = NULL;
	struct err err;

	if (json_parse("input", (const char *)data, size, &first, &err) < 0)
		return 0;
	once = strdup(json_text(first, false));
	if (!once || json_parse("again", once, strlen(once), &second, &err) < 0 ||
	    strcmp(once, json_text(second, false)) != 0)
		abort();
	return 0;
}
