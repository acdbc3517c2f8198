/* What images, containers and users hand to the engine as text. The first byte chooses: an image's
 * passwd and group, a record of a log, mounts, other options, /etc/subuid. */
#include <stdlib.h>

#include "base/strv.h"
#include "base/xalloc.h"
#include "engine/log-internal.h"
#include "engine/mounts-parse.h"
#include "engine/options.h"
#include "engine/rootless-internal.h"
#include "engine/user.h"
#include "fuzz.h"

static struct err err;

/* The text up to a form feed, then the rest. */
static char *cut(char *text)
{
	char *end = strchr(text, '\f');

	if (!end)
		return text + strlen(text);
	*end = '\0';
	return end + 1;
}

static void user(char *text)
{
	char *passwd = cut(text), *groups = cut(passwd), *add = cut(groups);
	struct user_identity u = { 0 };
	AUTO_STRV adds = STRV_INIT;

	if (*add)
		strv_add(&adds, add);
	if (user_lookup_in(passwd, groups, text, &adds, &u, &err) == 0 &&
	    (u.uid > USER_ID_MAX || u.gid > USER_ID_MAX || !u.group_count || *u.home != '/'))
		abort();
	user_identity_done(&u);
}

static void log_record(enum log_driver driver, char *text)
{
	size_t len = strcspn(text, "\n");
	struct log_entry e = { 0 };

	text[len] = '\n';
	if (!log_parse(driver, text, len, &e))
		return;
	if (e.data < text || e.data + e.len > text + len + 1 || (e.stream != 1 && e.stream != 2))
		abort();
}

static void check_mounts(const struct mount_requests *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const char *t = m->items[i].target;

		if (*t != '/' || !t[1] || strstr(t, "//") || strstr(t, "/../"))
			abort();
		if (m->items[i].kind == MOUNT_KIND_BIND && *m->items[i].source != '/')
			abort();
	}
}

static void mounts(char kind, const char *text)
{
	struct container_options o;
	struct mount_requests m = { 0 };

	container_options_init(&o);
	strv_add(kind == 'v' ? &o.volume : kind == 'm' ? &o.mount : &o.tmpfs, text);
	if (mount_requests_parse(&o, NULL, &m, &err) == 0)
		check_mounts(&m);
	mount_requests_done(&m);
	container_options_done(&o);
}

static void options(char *text)
{
	struct container_options o;
	struct strv *lists[] = { &o.security_opt, &o.sysctl, &o.ulimit,  &o.device,
		                 &o.cap_add,      &o.label,  &o.log_opt, &o.device_cgroup_rule };
	char *value = cut(text);

	container_options_init(&o);
	strv_add(lists[(unsigned char)*text % ARRAY_LEN(lists)], value);
	o.cpuset_cpus = o.restart = o.stop_signal = NULL;
	switch (*text % 5) {
	case 0:
		o.cpuset_cpus = value;
		break;
	case 1:
		o.restart = value;
		break;
	case 2:
		o.stop_signal = value;
		break;
	default:
		break;
	}
	(void)container_options_check(&o, false, &err);
	container_options_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;
	AUTO_STRV args = STRV_INIT;

	if (!size)
		return 0;
	/* room for the newline that log_record() puts at the end */
	text = xcalloc(1, size + 2);
	memcpy(text, data + 1, size - 1);
	switch (*data) {
	case 'u':
		user(text);
		break;
	case 'j':
		log_record(LOG_DRIVER_JSON_FILE, text);
		break;
	case 'k':
		log_record(LOG_DRIVER_K8S_FILE, text);
		break;
	case 'v':
	case 'm':
	case 't':
		mounts((char)*data, text);
		break;
	case 'o':
		options(text);
		break;
	case 's':
		(void)subid_args(text, "jo", 1000, &args);
		if (args.len % 3)
			abort();
		break;
	default:
		break;
	}
	return 0;
}
