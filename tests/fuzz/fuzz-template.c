/* A template that parses runs over a container-like object without a fault or an endless loop. */
#include <stdlib.h>

#include "cli/template.h"
#include "codec/json.h"
#include "fuzz.h"

static const char data[] = "{\"Id\":\"abc\",\"Labels\":{\"a\":\"1\"},\"Args\":[\"x\",\"y\"],"
			   "\"State\":{\"Pid\":42,\"Ok\":true,\"F\":1.5},\"Null\":null}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)bytes, size);
	AUTO_JSON *obj = NULL;
	AUTO_TEMPLATE *t = NULL;
	AUTO_BUF out = STRBUF_INIT;
	struct err err;

	if (!text || template_parse(text, &t, &err) < 0)
		return 0;
	obj = json_tokener_parse(data);
	if (template_exec(t, obj, &out, &err) < 0)
		return 0;
	(void)template_mentions(t, "Id");
	return 0;
}
