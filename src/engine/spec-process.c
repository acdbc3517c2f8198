/* The process: argv, environment, working directory, capabilities, limits. */
#include <errno.h>
#include <stdint.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "engine/spec-internal.h"
#include "oci/names.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define CAP_SYS_RESOURCE_NUMBER 24

uint64_t caps_available(void)
{
	uint64_t caps = 0;

	for (int i = 0; i <= OCI_CAP_LAST; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			caps |= 1ull << i;
	return caps;
}

static bool is_all(const char *name)
{
	return !strcasecmp(name, "ALL") || !strcasecmp(name, "CAP_ALL");
}

static int caps_check_list(const char *option, const struct strv *names, uint64_t available,
                           struct err *err)
{
	for (size_t i = 0; i < names->len; i++) {
		int n;

		if (is_all(names->items[i]))
			continue;
		n = oci_cap_number(names->items[i]);
		if (n < 0)
			return err_set(err, E_INVALID, "%s '%s': no such capability", option,
			               names->items[i]);
		if (!(available >> n & 1))
			return err_set(err, E_PERM, "%s '%s': we do not have it ourselves", option,
			               names->items[i]);
	}
	return 0;
}

int caps_check(const struct container_options *opts, struct err *err)
{
	if (caps_check_list("--cap-drop", &opts->cap_drop, UINT64_MAX, err) < 0)
		return -1;
	return caps_check_list("--cap-add", &opts->cap_add, caps_available(), err);
}

/* docker's order: ALL on either side sets the ground, single names change it. */
uint64_t caps_build(const struct container_options *opts)
{
	uint64_t available = caps_available(), caps = OCI_CAPS_DEFAULT, named = 0, dropped = 0;
	bool add_all = false, drop_all = false;

	if (opts->privileged)
		return available;
	for (size_t i = 0; i < opts->cap_add.len; i++) {
		if (is_all(opts->cap_add.items[i]))
			add_all = true;
		else
			named |= 1ull << oci_cap_number(opts->cap_add.items[i]);
	}
	for (size_t i = 0; i < opts->cap_drop.len; i++) {
		if (is_all(opts->cap_drop.items[i]))
			drop_all = true;
		else
			dropped |= 1ull << oci_cap_number(opts->cap_drop.items[i]);
	}
	if (add_all)
		caps = available;
	else if (drop_all)
		caps = 0;
	if (add_all && drop_all)
		caps = named;
	caps = (caps & ~dropped) | named;
	return caps & available;
}

static int ulimit_parse(const char *text, struct oci_rlimit *ret, struct err *err)
{
	AUTO_FREE char *name = xstrdup(text);
	char *soft = strchr(name, '='), *hard;
	int64_t s, h;

	if (!soft)
		return err_set(err, E_INVALID, "--ulimit '%s': expected NAME=SOFT[:HARD]", text);
	*soft++ = '\0';
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = '\0';
	ret->resource = oci_rlimit_resource(name);
	if (ret->resource < 0)
		return err_set(err, E_INVALID, "--ulimit '%s': no such limit '%s'", text, name);
	if (parse_i64(soft, &s) < 0 || s < -1)
		return err_set(err, E_INVALID, "--ulimit '%s': '%s' is not a limit", text, soft);
	h = s;
	if (hard && (parse_i64(hard, &h) < 0 || h < -1))
		return err_set(err, E_INVALID, "--ulimit '%s': '%s' is not a limit", text, hard);
	ret->soft = s < 0 ? RLIM_INFINITY : (uint64_t)s;
	ret->hard = h < 0 ? RLIM_INFINITY : (uint64_t)h;
	if (ret->soft > ret->hard)
		return err_set(err, E_INVALID,
		               "--ulimit '%s': the soft limit is above the hard one", text);
	return 0;
}

/* What the kernel would refuse later, with the reason. */
static int ulimit_allowed(const char *text, const struct oci_rlimit *r, struct err *err)
{
	struct rlimit own;

	if (getrlimit((__rlimit_resource_t)r->resource, &own) < 0)
		return err_sys(err, errno, "--ulimit '%s'", text);
	if (r->hard <= own.rlim_max || (caps_available() >> CAP_SYS_RESOURCE_NUMBER & 1))
		return 0;
	return err_set(err, E_PERM,
	               "--ulimit '%s': our own hard limit is %llu, and raising it needs "
	               "CAP_SYS_RESOURCE",
	               text, (unsigned long long)own.rlim_max);
}

int ulimits_check(const struct container_options *opts, struct err *err)
{
	struct oci_rlimit r;

	for (size_t i = 0; i < opts->ulimit.len; i++)
		if (ulimit_parse(opts->ulimit.items[i], &r, err) < 0 ||
		    ulimit_allowed(opts->ulimit.items[i], &r, err) < 0)
			return -1;
	return 0;
}

/* The last one of a name wins. */
static int add_ulimits(struct spec_ctx *c)
{
	struct oci_process *p = &c->spec->process;

	for (size_t i = 0; i < c->opts->ulimit.len; i++) {
		struct oci_rlimit r;
		size_t k = 0;

		if (ulimit_parse(c->opts->ulimit.items[i], &r, c->err) < 0)
			return -1;
		while (k < p->n_rlimits && p->rlimits[k].resource != r.resource)
			k++;
		if (k < p->n_rlimits)
			p->rlimits[k] = r;
		else
			oci_process_add_rlimit(p, r.resource, r.soft, r.hard);
	}
	return 0;
}

static int add_env(struct spec_ctx *c)
{
	AUTO_STRV env = STRV_INIT;
	AUTO_STRV given = STRV_INIT;
	const char *hostname = c->spec->hostname ?: "";

	strv_set_env(&env, "PATH", DEFAULT_PATH);
	strv_set_env(&env, "HOSTNAME", hostname);
	if (c->opts->tty)
		strv_set_env(&env, "TERM", "xterm");
	/* what was to be taken from the host was taken at create: not from whoever starts it now */
	if (env_build(&c->image->env, &c->opts->env_file, &c->opts->env,
	              c->env->host_env ?: (char *[]){ NULL }, &given, c->err) < 0)
		return -1;
	for (size_t i = 0; i < given.len; i++) {
		char *eq = strchr(given.items[i], '=');

		*eq = '\0';
		strv_set_env(&env, given.items[i], eq + 1);
		*eq = '=';
	}
	strv_done(&c->spec->process.env);
	c->spec->process.env = env;
	env = STRV_INIT;
	return 0;
}

static int add_cwd(struct spec_ctx *c)
{
	const char *dir = c->opts->workdir ?: c->image->workdir;
	AUTO_FREE char *absolute = NULL;

	if (c->opts->workdir && *c->opts->workdir != '/')
		return err_set(c->err, E_INVALID, "--workdir '%s': must be an absolute path",
		               c->opts->workdir);
	if (!dir || !*dir)
		dir = "/";
	/* images may say it relative to the root */
	absolute = *dir == '/' ? xstrdup(dir) : xasprintf("/%s", dir);
	free(c->spec->process.cwd);
	return container_path_clean(absolute, &c->spec->process.cwd, c->err);
}

static void set_caps(struct spec_ctx *c)
{
	struct oci_caps *caps = &c->spec->process.caps;
	uint64_t set = caps_build(c->opts);

	/* inheritable and ambient stay empty (CVE-2022-24769) */
	*caps = (struct oci_caps){
		.present = true, .bounding = set, .effective = set, .permitted = set
	};
}

static int add_init(struct spec_ctx *c)
{
	AUTO_STRV argv = STRV_INIT;
	struct strv *args = &c->spec->process.args;

	if (!c->opts->init)
		return 0;
	if (!c->env->init_path)
		return err_set(c->err, E_UNSUPPORTED, "--init: dhow-init is not installed");
	strv_add(&argv, INIT_INSIDE);
	strv_add(&argv, "--");
	strv_add_all(&argv, args->items);
	strv_done(args);
	*args = argv;
	argv = STRV_INIT;
	return 0;
}

int spec_process(struct spec_ctx *c)
{
	struct oci_process *p = &c->spec->process;

	c->spec->has_process = true;
	strv_done(&p->args);
	if (command_build(c->opts, c->image, &p->args, c->err) < 0 || add_env(c) < 0 ||
	    add_cwd(c) < 0 || add_ulimits(c) < 0)
		return -1;
	p->terminal = c->opts->tty;
	if (c->opts->oom_score_adj)
		p->oom_score_adj = c->opts->oom_score_adj;
	set_caps(c);
	return add_init(c);
}
