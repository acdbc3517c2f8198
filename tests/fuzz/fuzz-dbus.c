/* Whatever a bus sends: strings stay inside the message. */
#include <stdlib.h>
#include <string.h>

#include "codec/dbus.h"
#include "fuzz.h"

static size_t length(const char *s)
{
	return s ? strlen(s) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbus_message m;
	struct dbus_reader r;
	const char *text;
	uint32_t number;
	struct err err;

	if (dbus_parse(data, size, &m, &err) < 0)
		return 0;
	if (length(m.path) + length(m.interface) + length(m.member) + length(m.error_name) +
	            length(m.signature) >
	    size)
		abort();
	r = dbus_read_body(&m);
	while (dbus_read_string(&r, &text) == 0)
		if (text < (const char *)data || text + strlen(text) >= (const char *)data + size)
			abort();
	r = dbus_read_body(&m);
	while (dbus_read_u32(&r, &number) == 0)
		;
	return 0;
}
