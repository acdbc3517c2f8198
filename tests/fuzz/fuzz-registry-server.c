/* What clients of the registry server and its administrator hand it: targets of requests, ranges,
 * manifests, Basic credentials, files of users. The first byte chooses. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "fuzz.h"
#include "oci/ref.h"
#include "registry/auth.h"
#include "registry/facts.h"
#include "registry/route.h"

static void target(const char *text)
{
	AUTO_ROUTE r = ROUTE_INIT;
	enum route_fault fault;
	struct err err;

	if (route_parse(text, &r, &fault, &err) < 0) {
		if (fault == ROUTE_FAULT_NONE)
			abort();
		return;
	}
	/* what is taken is what it should be */
	if (r.name && image_ref_check_path(r.name, &err) < 0)
		abort();
	if (r.tag && image_ref_check_tag(r.tag, &err) < 0)
		abort();
}

static void ranges(const char *text)
{
	uint64_t first, last;

	if (range_parse(text, 1000, &first, &last) > 0 &&
	    (last == 0 || last > 1000 || first > 1000 - last))
		abort();
	if (content_range_parse(text, &first, &last) == 0 && first > last)
		abort();
}

static void manifest(const char *text, size_t len)
{
	AUTO_FACTS f = MANIFEST_FACTS_INIT;
	struct err err;

	if (manifest_facts_parse(NULL, text, len, &f, &err) == 0 && !f.media_type)
		abort();
}

static void credentials(const char *text)
{
	AUTO_FREE char *user = NULL;
	AUTO_FREE char *password = NULL;

	auth_parse_basic(text, &user, &password);
}

static void users(const char *text)
{
	struct auth_user *list;
	struct err err;
	size_t n;

	if (auth_parse("users", text, &list, &n, &err) == 0)
		auth_users_free(list, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;

	if (size == 0)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		target(text);
		break;
	case 1:
		ranges(text);
		break;
	case 2:
		manifest((const char *)data + 1, size - 1);
		break;
	case 3:
		credentials(text);
		break;
	default:
		users(text);
	}
	return 0;
}
