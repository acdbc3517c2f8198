/* Devices: --device, --device-cgroup-rule, and all of the host's for --privileged. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "engine/spec-internal.h"

#define DEVICE_DEPTH_MAX 8

struct device_request {
	char *host, *container;
	char access[4];
};

static void device_request_done(struct device_request *d)
{
	free(d->host);
	free(d->container);
}

/* "r", "wm", "rwm": in any order, each once. */
static bool access_parse(const char *text, char ret[4])
{
	size_t len = strlen(text);

	if (!len || len > 3 || strspn(text, "rwm") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (strchr(text + i + 1, text[i]))
			return false;
	memcpy(ret, text, len + 1);
	return true;
}

/* HOST[:CONTAINER][:rwm] */
static int device_parse(const char *text, struct device_request *ret, struct err *err)
{
	AUTO_STRV parts = STRV_INIT;
	AUTO(device_request_done) struct device_request d = { .access = "rwm" };
	const char *container;

	strv_split(&parts, text, ':');
	if (parts.len > 3 || !*parts.items[0])
		return err_set(err, E_INVALID, "--device '%s': expected HOST[:CONTAINER][:rwm]",
		               text);
	container = parts.items[0];
	if (parts.len == 2 && access_parse(parts.items[1], d.access))
		;
	else if (parts.len >= 2)
		container = parts.items[1];
	if (parts.len == 3 && !access_parse(parts.items[2], d.access))
		return err_set(err, E_INVALID, "--device '%s': '%s' is not some of r, w, m", text,
		               parts.items[2]);
	if (*parts.items[0] != '/')
		return err_set(err, E_INVALID, "--device '%s': '%s' is not an absolute path", text,
		               parts.items[0]);
	d.host = xstrdup(parts.items[0]);
	if (container_path_clean(container, &d.container, err) < 0)
		return err_ctx(err, "--device '%s'", text);
	*ret = d;
	d = (struct device_request){ 0 };
	return 0;
}

struct device_rule {
	char type;
	int64_t major, minor;
	char access[4];
};

static bool rule_number(const char *s, int64_t *ret)
{
	uint32_t n;

	if (!strcmp(s, "*")) {
		*ret = OCI_UNSET;
		return true;
	}
	if (parse_u32(s, &n) < 0)
		return false;
	*ret = n;
	return true;
}

/* "c 1:3 rwm" */
static int rule_parse(const char *text, struct device_rule *ret, struct err *err)
{
	AUTO_STRV words = STRV_INIT;
	char *minor;

	strv_split(&words, text, ' ');
	if (words.len == 3 && strlen(words.items[0]) == 1 && strchr("acb", *words.items[0]) &&
	    (minor = strchr(words.items[1], ':'))) {
		*minor++ = '\0';
		ret->type = *words.items[0];
		if (rule_number(words.items[1], &ret->major) && rule_number(minor, &ret->minor) &&
		    access_parse(words.items[2], ret->access))
			return 0;
	}
	return err_set(err, E_INVALID,
	               "--device-cgroup-rule '%s': expected 'TYPE MAJOR:MINOR ACCESS', such as "
	               "'c 1:3 rwm'",
	               text);
}

int devices_check(const struct container_options *opts, struct err *err)
{
	struct device_rule rule;

	for (size_t i = 0; i < opts->device.len; i++) {
		AUTO(device_request_done) struct device_request d = { 0 };

		if (device_parse(opts->device.items[i], &d, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < opts->device_cgroup_rule.len; i++)
		if (rule_parse(opts->device_cgroup_rule.items[i], &rule, err) < 0)
			return -1;
	return 0;
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

static void add_node(struct spec_ctx *c, const char *host, const char *container,
                     const char *access, const struct stat *st)
{
	char type = S_ISBLK(st->st_mode) ? 'b' : 'c';

	if (c->env->rootless) {
		/* no mknod in a user namespace: the host's own node, with the host's rights */
		oci_spec_remove_mount(c->spec, container);
		oci_spec_add_mount(c->spec, container, "bind", host, "bind,nosuid,noexec,rprivate");
		return;
	}
	oci_spec_add_device(c->spec, type, container, major(st->st_rdev), minor(st->st_rdev),
	                    st->st_mode & 0777, st->st_uid, st->st_gid);
	oci_spec_add_device_rule(c->spec, true, type, major(st->st_rdev), minor(st->st_rdev),
	                         access);
}

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Every device below a directory of the host, but not what each container has of its own. */
static int add_directory(struct spec_ctx *c, const char *host, const char *container,
                         const char *access, int depth)
{
	static const char *const own[] = { "pts",    "shm",     "fd",    "mqueue",     ".lxc",
		                           "lxd",    "console", "ptmx",  "core",       "stdin",
		                           "stdout", "stderr",  ".udev", ".lxd-mounts" };
	AUTO(auto_closedir) DIR *dir = opendir(host);
	struct dirent *d;

	if (!dir)
		return err_sys(c->err, errno, "list '%s'", host);
	while (depth < DEVICE_DEPTH_MAX && (d = readdir(dir))) {
		AUTO_FREE char *from = xasprintf("%s/%s", host, d->d_name);
		AUTO_FREE char *to = xasprintf("%s/%s", container, d->d_name);
		bool skip = !strcmp(d->d_name, ".") || !strcmp(d->d_name, "..");
		struct stat st;

		for (size_t i = 0; i < ARRAY_LEN(own); i++)
			skip = skip || !strcmp(d->d_name, own[i]);
		if (skip || lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			if (add_directory(c, from, to, access, depth + 1) < 0)
				return -1;
		} else if (is_device(&st)) {
			add_node(c, from, to, access, &st);
		}
	}
	return 0;
}

static int add_device(struct spec_ctx *c, const char *text)
{
	AUTO(device_request_done) struct device_request d = { 0 };
	struct stat st;

	if (device_parse(text, &d, c->err) < 0)
		return -1;
	if (stat(d.host, &st) < 0)
		return err_sys(c->err, errno, "--device '%s': '%s'", text, d.host);
	if (S_ISDIR(st.st_mode)) {
		if (add_directory(c, d.host, d.container, d.access, 0) < 0)
			return err_ctx(c->err, "--device '%s'", text);
		return 0;
	}
	if (!is_device(&st))
		return err_set(c->err, E_INVALID, "--device '%s': '%s' is not a device", text,
		               d.host);
	add_node(c, d.host, d.container, d.access, &st);
	return 0;
}

int spec_devices(struct spec_ctx *c)
{
	struct device_rule rule;

	if (c->opts->privileged) {
		/* rootless: the few devices everybody may open are there already */
		if (!c->env->rootless && add_directory(c, "/dev", "/dev", "rwm", 0) < 0)
			return err_ctx(c->err, "--privileged");
		oci_spec_add_device_rule(c->spec, true, 'a', OCI_UNSET, OCI_UNSET, "rwm");
	}
	for (size_t i = 0; i < c->opts->device.len; i++)
		if (add_device(c, c->opts->device.items[i]) < 0)
			return -1;
	for (size_t i = 0; i < c->opts->device_cgroup_rule.len; i++) {
		if (rule_parse(c->opts->device_cgroup_rule.items[i], &rule, c->err) < 0)
			return -1;
		oci_spec_add_device_rule(c->spec, true, rule.type, rule.major, rule.minor,
		                         rule.access);
	}
	return 0;
}
