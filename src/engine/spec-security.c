/* seccomp, masked and read-only paths, no_new_privileges, sysctls. */
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/spec-internal.h"

/* One --security-opt, cut at its first '=' (or ':', docker's old spelling). */
struct security_opt {
	char *key;
	const char *value; /* NULL: none; points into key's memory */
};

static void security_opt_split(const char *text, struct security_opt *ret)
{
	size_t len = strcspn(text, "=:");

	ret->key = xstrdup(text);
	ret->value = NULL;
	if (text[len]) {
		ret->key[len] = '\0';
		ret->value = ret->key + len + 1;
	}
}

struct security {
	const char *seccomp; /* NULL: default; "unconfined"; text or a file name */
	bool no_new_privileges;
	bool unmask_all;
	struct strv mask, unmask;
	struct strv owned; /* what the pointers above point into */
};

static void security_done(struct security *s)
{
	strv_done(&s->mask);
	strv_done(&s->unmask);
	strv_done(&s->owned);
}

static int opt_seccomp(struct security *s, const char *value, struct err *err)
{
	if (!value || !*value)
		return err_set(err, E_INVALID, "a profile is needed");
	strv_add(&s->owned, value);
	s->seccomp = s->owned.items[s->owned.len - 1];
	return 0;
}

static int opt_no_new_privileges(struct security *s, const char *value, struct err *err)
{
	if (!value || !strcmp(value, "true"))
		s->no_new_privileges = true;
	else if (!strcmp(value, "false"))
		s->no_new_privileges = false;
	else
		return err_set(err, E_INVALID, "'%s' is not true or false", value);
	return 0;
}

/* No LSM of the kind is active where dhow runs: asking for none is granted, a profile refused. */
static int opt_apparmor(struct security *s, const char *value, struct err *err)
{
	if (value && !strcmp(value, "unconfined"))
		return 0;
	return err_set(err, E_UNSUPPORTED, "AppArmor profiles are not supported");
}

static int opt_label(struct security *s, const char *value, struct err *err)
{
	if (value && !strcmp(value, "disable"))
		return 0;
	return err_set(err, E_UNSUPPORTED, "SELinux labels are not supported");
}

static int opt_systempaths(struct security *s, const char *value, struct err *err)
{
	if (!value || strcmp(value, "unconfined") != 0)
		return err_set(err, E_INVALID, "only 'unconfined' is known");
	s->unmask_all = true;
	return 0;
}

static int add_paths(struct strv *list, const char *value, struct err *err)
{
	AUTO_STRV paths = STRV_INIT;

	if (!value || !*value)
		return err_set(err, E_INVALID, "a path is needed");
	strv_split(&paths, value, ':');
	for (size_t i = 0; i < paths.len; i++) {
		char *clean;

		if (container_path_clean(paths.items[i], &clean, err) < 0)
			return -1;
		strv_add_owned(list, clean);
	}
	return 0;
}

static int opt_mask(struct security *s, const char *value, struct err *err)
{
	return add_paths(&s->mask, value, err);
}

static int opt_unmask(struct security *s, const char *value, struct err *err)
{
	if (value && (!strcmp(value, "ALL") || !strcmp(value, "all"))) {
		s->unmask_all = true;
		return 0;
	}
	return add_paths(&s->unmask, value, err);
}

static const struct {
	const char *key;
	int (*apply)(struct security *s, const char *value, struct err *err);
} security_opts[] = {
	{ "seccomp", opt_seccomp },         { "no-new-privileges", opt_no_new_privileges },
	{ "apparmor", opt_apparmor },       { "label", opt_label },
	{ "systempaths", opt_systempaths }, { "mask", opt_mask },
	{ "unmask", opt_unmask },
};

static int apply_one(struct security *s, const char *text, struct err *err)
{
	struct security_opt o;
	AUTO_FREE char *owned = NULL;

	security_opt_split(text, &o);
	owned = o.key;
	for (size_t i = 0; i < ARRAY_LEN(security_opts); i++)
		if (!strcmp(o.key, security_opts[i].key))
			return security_opts[i].apply(s, o.value, err);
	err_set(err, E_INVALID, "unknown option");
	return err_hint(err, "known are seccomp, no-new-privileges, mask, unmask, systempaths, "
	                     "label and apparmor");
}

static int security_parse(const struct container_options *opts, struct security *ret,
                          struct err *err)
{
	for (size_t i = 0; i < opts->security_opt.len; i++)
		if (apply_one(ret, opts->security_opt.items[i], err) < 0)
			return err_ctx(err, "--security-opt '%.200s'", opts->security_opt.items[i]);
	return 0;
}

int security_check(const struct container_options *opts, struct err *err)
{
	AUTO(security_done) struct security s = { 0 };

	return security_parse(opts, &s, err);
}

static void drop(struct strv *list, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->len; i++) {
		if (!strcmp(list->items[i], path))
			free(list->items[i]);
		else
			list->items[kept++] = list->items[i];
	}
	if (list->items)
		list->items[kept] = NULL;
	list->len = kept;
}

static void apply_paths(struct spec_ctx *c, const struct security *s)
{
	struct oci_linux *l = &c->spec->linux_;

	if (s->unmask_all || c->opts->privileged) {
		strv_done(&l->masked_paths);
		strv_done(&l->readonly_paths);
	}
	for (size_t i = 0; i < s->unmask.len; i++) {
		drop(&l->masked_paths, s->unmask.items[i]);
		drop(&l->readonly_paths, s->unmask.items[i]);
	}
	for (size_t i = 0; i < s->mask.len; i++)
		strv_add(&l->masked_paths, s->mask.items[i]);
}

static int apply_seccomp(struct spec_ctx *c, const struct security *s)
{
	struct oci_seccomp *seccomp = &c->spec->linux_.seccomp;
	uint64_t caps = c->spec->process.caps.bounding;
	AUTO_FREE char *text = NULL;
	size_t len;

	oci_seccomp_done(seccomp);
	*seccomp = (struct oci_seccomp){ 0 };
	if (s->seccomp && !strcmp(s->seccomp, "unconfined"))
		return 0;
	if (c->opts->privileged && !s->seccomp)
		return 0;
	if (!s->seccomp || !strcmp(s->seccomp, "builtin")) {
		oci_seccomp_default(seccomp, caps);
		return 0;
	}
	if (*s->seccomp == '{')
		return oci_seccomp_parse_profile(seccomp, "seccomp profile", s->seccomp,
		                                 strlen(s->seccomp), caps, c->err);
	if (file_read_at(AT_FDCWD, s->seccomp, JSON_MAX_BYTES, &text, &len, c->err) < 0)
		return err_ctx(c->err, "--security-opt seccomp");
	return oci_seccomp_parse_profile(seccomp, s->seccomp, text, len, caps, c->err);
}

/* ---- sysctls ---- */

/* Those that belong to a namespace; the rest would change the host (CVE-2022-0811). */
static const struct {
	const char *prefix; /* ends in '.': a whole group; else one name or a name's beginning with
	                       '*' */
	enum oci_ns ns;
} sysctls[] = {
	{ "net.", OCI_NS_NETWORK },          { "fs.mqueue.", OCI_NS_IPC },
	{ "kernel.msgmax", OCI_NS_IPC },     { "kernel.msgmnb", OCI_NS_IPC },
	{ "kernel.msgmni", OCI_NS_IPC },     { "kernel.sem", OCI_NS_IPC },
	{ "kernel.shmall", OCI_NS_IPC },     { "kernel.shmmax", OCI_NS_IPC },
	{ "kernel.shmmni", OCI_NS_IPC },     { "kernel.shm_rmid_forced", OCI_NS_IPC },
	{ "kernel.domainname", OCI_NS_UTS },
};

static const char *const ns_option_names[] = {
	[OCI_NS_NETWORK] = "network",
	[OCI_NS_IPC] = "IPC",
	[OCI_NS_UTS] = "UTS",
};

static bool sysctl_known(const char *key, enum oci_ns *ret_ns)
{
	for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
		size_t len = strlen(sysctls[i].prefix);
		bool group = sysctls[i].prefix[len - 1] == '.';

		if (group ? strncmp(key, sysctls[i].prefix, len) != 0 || !key[len]
		          : strcmp(key, sysctls[i].prefix) != 0)
			continue;
		*ret_ns = sysctls[i].ns;
		return true;
	}
	return false;
}

static int sysctl_parse(const char *text, char **ret_key, const char **ret_value,
                        enum oci_ns *ret_ns, struct err *err)
{
	const char *eq = strchr(text, '=');
	AUTO_FREE char *key = NULL;

	if (!eq || eq == text)
		return err_set(err, E_INVALID, "--sysctl '%s': expected KEY=VALUE", text);
	key = xstrndup(text, (size_t)(eq - text));
	if (strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") !=
	            strlen(key) ||
	    strstr(key, "..") || key[0] == '/' || strchr(eq, '\n'))
		return err_set(err, E_INVALID, "--sysctl '%s': not the name of a kernel parameter",
		               text);
	/* both "net.ipv4.x" and "net/ipv4/x" are written */
	if (strchr(key, '/') && (!strchr(key, '.') || strchr(key, '/') < strchr(key, '.')))
		for (char *p = key; *p; p++)
			*p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	if (!sysctl_known(key, ret_ns)) {
		err_set(err, E_INVALID, "--sysctl '%s': not a parameter of a namespace", text);
		return err_hint(err, "it would change the host: set it there");
	}
	*ret_key = TAKE_PTR(key);
	*ret_value = eq + 1;
	return 0;
}

int sysctls_check(const struct container_options *opts, struct err *err)
{
	for (size_t i = 0; i < opts->sysctl.len; i++) {
		AUTO_FREE char *key = NULL;
		const char *value;
		enum oci_ns ns;

		if (sysctl_parse(opts->sysctl.items[i], &key, &value, &ns, err) < 0)
			return -1;
	}
	return 0;
}

static int apply_sysctls(struct spec_ctx *c)
{
	for (size_t i = 0; i < c->opts->sysctl.len; i++) {
		AUTO_FREE char *key = NULL;
		const char *value;
		enum oci_ns ns;

		if (sysctl_parse(c->opts->sysctl.items[i], &key, &value, &ns, c->err) < 0)
			return -1;
		if (!c->spec->linux_.ns[ns].wanted || c->spec->linux_.ns[ns].path)
			return err_set(
				c->err, E_INVALID,
				"--sysctl '%s': the container has no %s namespace of its own",
				c->opts->sysctl.items[i], ns_option_names[ns]);
		oci_spec_set_sysctl(c->spec, key, value);
	}
	return 0;
}

int spec_security(struct spec_ctx *c)
{
	AUTO(security_done) struct security s = { 0 };

	if (security_parse(c->opts, &s, c->err) < 0)
		return -1;
	c->spec->process.no_new_privileges = s.no_new_privileges;
	apply_paths(c, &s);
	if (apply_seccomp(c, &s) < 0)
		return -1;
	return apply_sysctls(c);
}
