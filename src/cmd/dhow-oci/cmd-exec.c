/* exec */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "oci/names.h"
#include "runtime/plan-steps.h"
#include "sys/pidfd.h"

struct exec_values {
	const char *process, *console_socket, *pid_file, *cwd, *user;
	const char *process_label, *apparmor, *pidfd_socket;
	struct strv env, caps, gids, cgroups;
	const char *format;
	bool tty, detach, no_new_privs, ignore_paused, dry_run;
	uint64_t preserve_fds;
};

/* clang-format off */
#define O(field) OPT(struct exec_values, field)
const struct opt oci_exec_options[] = {
	{ "process", 'p', OPT_STR, O(process), "FILE", "the process as JSON, instead of options and COMMAND", 0, COMPLETE_FILE },
	{ "tty", 't', OPT_BOOL, O(tty), NULL, "give it a terminal", 0, 0 },
	{ "cwd", 0, OPT_STR, O(cwd), "DIR", "its working directory", 0, 0 },
	{ "env", 'e', OPT_LIST, O(env), "NAME=VALUE", "set an environment variable", 0, 0 },
	{ "user", 'u', OPT_STR, O(user), "UID[:GID]", "run as this user", 0, 0 },
	{ "additional-gids", 'g', OPT_LIST, O(gids), "GID", "add a group", 0, 0 },
	{ "cap", 'c', OPT_LIST, O(caps), "CAP", "add a capability", 0, 0 },
	{ "detach", 'd', OPT_BOOL, O(detach), NULL, "do not wait for it", 0, 0 },
	{ "pid-file", 0, OPT_STR, O(pid_file), "FILE", "write its pid here", 0, COMPLETE_FILE },
	{ "console-socket", 0, OPT_STR, O(console_socket), "SOCKET", "where to send the terminal's master", 0, COMPLETE_FILE },
	{ "preserve-fds", 0, OPT_UINT, O(preserve_fds), "N", "pass on N descriptors, from 3 upwards", 0, 0 },
	{ "no-new-privs", 0, OPT_BOOL, O(no_new_privs), NULL, "set no_new_privs", 0, 0 },
	{ "process-label", 0, OPT_STR, O(process_label), "LABEL", "its SELinux label", 0, 0 },
	{ "apparmor", 0, OPT_STR, O(apparmor), "PROFILE", "its AppArmor profile", 0, 0 },
	{ "pidfd-socket", 0, OPT_STR, O(pidfd_socket), "SOCKET", "where to send a pidfd of it", 0, COMPLETE_FILE },
	{ "cgroup", 0, OPT_LIST, O(cgroups), "[CTRL[,CTRL...]:]PATH", "a cgroup below the container's, of these controllers (default all)", 0, 0 },
	{ "ignore-paused", 0, OPT_BOOL, O(ignore_paused), NULL, "also when the container is paused", 0, 0 },
	{ "dry-run", 0, OPT_BOOL, O(dry_run), NULL, "print the steps that would be taken, and take none", 0, 0 },
	{ "format", 0, OPT_STR, O(format), "FORMAT", "of --dry-run: text or json (default text)", 0, 0 },
	OPT_END
};
/* clang-format on */

/* CVE-2026-30892: all of it must be a number, or nobody is meant. */
static int parse_user(const char *text, struct oci_user *u, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *colon = strchr(copy, ':');

	if (colon)
		*colon++ = '\0';
	if (parse_u32(copy, &u->uid) < 0 || u->uid == UINT32_MAX ||
	    (colon && (parse_u32(colon, &u->gid) < 0 || u->gid == UINT32_MAX)))
		return err_set(err, E_INVALID,
		               "option --user: '%s' is not UID or UID:GID in numbers", text);
	free(u->additional_gids);
	u->additional_gids = NULL;
	u->n_additional_gids = 0;
	return 0;
}

static void replace(char **at, const char *value)
{
	if (!value)
		return;
	free(*at);
	*at = xstrdup(value);
}

static int apply_options(const struct exec_values *v, const struct strv *args,
                         struct oci_process *p, struct err *err)
{
	strv_done(&p->args);
	for (size_t i = 1; i < args->len; i++)
		strv_add(&p->args, args->items[i]);
	p->terminal = v->tty;
	p->no_new_privileges |= v->no_new_privs;
	replace(&p->apparmor_profile, v->apparmor);
	replace(&p->selinux_label, v->process_label);
	replace(&p->cwd, v->cwd);
	for (size_t i = 0; i < v->env.len; i++) {
		AUTO_FREE char *name = xstrdup(v->env.items[i]);
		char *value = strchr(name, '=');

		if (!value || value == name)
			return err_set(err, E_INVALID, "option --env: '%s' is not NAME=VALUE",
			               v->env.items[i]);
		*value++ = '\0';
		strv_set_env(&p->env, name, value);
	}
	if (v->user && parse_user(v->user, &p->user, err) < 0)
		return -1;
	for (size_t i = 0; i < v->gids.len; i++) {
		uint32_t gid;

		if (parse_u32(v->gids.items[i], &gid) < 0 || gid == UINT32_MAX)
			return err_set(err, E_INVALID,
			               "option --additional-gids: '%s' is not a "
			               "group id",
			               v->gids.items[i]);
		VEC_PUSH(p->user.additional_gids, p->user.n_additional_gids, (gid_t)gid);
	}
	for (size_t i = 0; i < v->caps.len; i++) {
		int cap = oci_cap_number(v->caps.items[i]);

		if (cap < 0)
			return err_set(err, E_INVALID, "option --cap: unknown capability '%s'",
			               v->caps.items[i]);
		p->caps.bounding |= 1ull << cap;
		p->caps.effective |= 1ull << cap;
		p->caps.permitted |= 1ull << cap;
		/* As runc: what the container lets programs inherit is inherited by this one. */
		p->caps.ambient |= p->caps.inheritable & 1ull << cap;
	}
	return 0;
}

static int refuse(const struct exec_values *v, const struct strv *args, struct err *err)
{
	if (v->format && !v->dry_run)
		return err_set(err, E_INVALID, "option --format: goes with --dry-run only");
	if (!v->process && args->len < 2)
		return err_set(err, E_INVALID, "exec: needs a COMMAND or --process");
	return 0;
}

static int load_spec(struct cmd_ctx *ctx, const char *id, struct oci_spec *ret)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *path = xasprintf("%s/config.json", id);
	size_t len = 0;

	if (!runtime_id_is_valid(id))
		return err_set(&ctx->err, E_INVALID, "'%s' is not a container id", id);
	if (file_read_at(ctx->root_fd, path, 16u << 20, &text, &len, &ctx->err) < 0)
		return ctx->err.sys == ENOENT ? err_set(&ctx->err, E_NOT_FOUND,
		                                        "container '%s' does not exist", id)
		                              : -1;
	return oci_spec_parse(ret, "config.json", text, len, &ctx->err);
}

static int load_process(const struct exec_values *v, struct oci_process *p, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (oci_read_file(v->process, &text, &len, err) < 0)
		return err_ctx(err, "option --process");
	oci_process_done(p);
	return oci_process_parse(p, v->process, text, len, err);
}

static int dry_run(struct cmd_ctx *ctx, const struct exec_values *v,
                   const struct runtime_exec_args *a)
{
	AUTO_JSON *steps = NULL;

	if (runtime_exec_steps(a, &steps, &ctx->err) < 0)
		return -1;
	return oci_print_steps(steps, a->id, v->format, &ctx->err);
}

static int do_exec(struct cmd_ctx *ctx, const struct exec_values *v, const struct strv *args)
{
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	AUTO_SPEC spec;
	struct runtime_exec_args a = {
		.id = args->items[0],
		.process = &spec.process,
		.spec = &spec,
		.stdio = { 0, 1, 2 },
		.console_socket = v->console_socket,
		.cgroups = &v->cgroups,
		.ignore_paused = v->ignore_paused,
		.plain_terminal = true,
	};
	bool keep_groups;
	int status = 0;

	oci_spec_init(&spec);
	a.state_root_fd = oci_root(ctx);
	if (a.state_root_fd < 0 || load_spec(ctx, a.id, &spec) < 0)
		return -1;
	if (oci_annotations_apply(&spec, NULL, &ctx->err) < 0)
		return -1;
	keep_groups = spec.process.user.keep_groups;
	if ((v->process ? load_process(v, &spec.process, &ctx->err)
	                : apply_options(v, args, &spec.process, &ctx->err)) < 0)
		return -1;
	spec.process.user.keep_groups = keep_groups;
	if (spec.process.terminal && v->detach && !v->console_socket)
		return err_set(&ctx->err, E_INVALID,
		               "a terminal that is not waited for needs --console-socket");
	if (v->console_socket && !spec.process.terminal)
		return err_set(&ctx->err, E_INVALID,
		               "option --console-socket: there is no terminal");
	if (v->dry_run)
		return dry_run(ctx, v, &a);
	if (oci_listen_fds(v->preserve_fds, &a.listen_fds, &a.preserve_fds, &ctx->err) < 0)
		return -1;
	if (runtime_exec(&a, &c, &ctx->err) < 0)
		return -1;
	if (oci_send_pidfd(v->pidfd_socket, c.pidfd, &ctx->err) < 0 ||
	    oci_write_pid(v->pid_file, c.pid, &ctx->err) < 0) {
		(void)pidfd_signal(c.pidfd, SIGKILL);
		status = -1;
	}
	if (status == 0 && !v->detach)
		status = oci_foreground(c.pid, c.pidfd, c.console_fd);
	runtime_container_done(&c);
	return status;
}

int cmd_exec(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct exec_values v = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r;

	ctx->failure_status = 255;
	r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r == 0)
		r = refuse(&v, &args, &ctx->err);
	if (r == 0)
		r = do_exec(ctx, &v, &args);
	else
		r = r < 0 ? -1 : 0;
	strv_done(&v.env);
	strv_done(&v.caps);
	strv_done(&v.gids);
	strv_done(&v.cgroups);
	return r;
}
