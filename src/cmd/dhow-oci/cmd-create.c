/* create, run, start, spec */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "oci/names.h"
#include "runtime/plan-steps.h"
#include "sys/caps.h"
#include "sys/pidfd.h"

/* clang-format off */
#define O(field) OPT(struct create_values, field)
#define CREATE_OPTIONS \
	{ "bundle", 'b', OPT_STR, O(bundle), "DIR", "directory of config.json (default: the current one)", 0, COMPLETE_DIR }, \
	{ "config", 'f', OPT_STR, O(config), "FILE", "configuration, instead of config.json in the bundle", 0, COMPLETE_FILE }, \
	{ "console-socket", 0, OPT_STR, O(console_socket), "SOCKET", "where to send the terminal's master", 0, COMPLETE_FILE }, \
	{ "pidfd-socket", 0, OPT_STR, O(pidfd_socket), "SOCKET", "where to send a pidfd of the first process", 0, COMPLETE_FILE }, \
	{ "pid-file", 0, OPT_STR, O(pid_file), "FILE", "write the pid of the first process here", 0, COMPLETE_FILE }, \
	{ "no-pivot", 0, OPT_BOOL, O(no_pivot), NULL, "do not use pivot_root (for a root on a ramdisk)", 0, 0 }, \
	{ "no-new-keyring", 0, OPT_BOOL, O(no_new_keyring), NULL, "keep the caller's session keyring", 0, 0 }, \
	{ "preserve-fds", 0, OPT_UINT, O(preserve_fds), "N", "pass on N descriptors, from 3 upwards", 0, 0 }, \
	{ "dry-run", 0, OPT_BOOL, O(dry_run), NULL, "print the steps that would be taken, and take none", 0, 0 }, \
	{ "format", 0, OPT_STR, O(format), "FORMAT", "of --dry-run: text or json (default text)", 0, 0 }

const struct opt oci_create_options[] = {
	CREATE_OPTIONS,
	{ "no-subreaper", 0, OPT_BOOL, O(no_subreaper), NULL, "accepted: create never becomes a subreaper", OPT_HIDDEN, 0 },
	OPT_END
};
const struct opt oci_run_options[] = {
	CREATE_OPTIONS,
	{ "detach", 'd', OPT_BOOL, O(detach), NULL, "do not wait for the container", 0, 0 },
	{ "keep", 0, OPT_BOOL, O(keep), NULL, "do not delete the container when it has ended", 0, 0 },
	{ "no-subreaper", 0, OPT_BOOL, O(no_subreaper), NULL, "do not adopt processes that the container leaves", 0, 0 },
	OPT_END
};
/* clang-format on */

void bundle_done(struct bundle *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b->path);
	oci_spec_done(&b->spec);
}

/* The specification wants a warning for what cannot be granted, and no failure. */
static void warn_caps(const struct oci_spec *spec)
{
	const struct oci_caps *c = &spec->process.caps;
	uint64_t asked = c->bounding | c->effective | c->permitted | c->inheritable | c->ambient;
	uint64_t missing;

	missing = c->ambient & ~(c->inheritable & c->permitted);
	for (int i = 0; missing >> i; i++)
		if (missing >> i & 1)
			log_warn("process.capabilities.ambient: can't raise ambient capability %s: "
			         "it is not among the inheritable and the permitted ones",
			         oci_cap_name(i));
	/* In a user namespace of its own all are there; and who may make containers at all has
	 * those of docker's default. */
	if (!(asked & ~(uint64_t)OCI_CAPS_DEFAULT) || spec->linux_.ns[OCI_NS_USER].wanted)
		return;
	missing = asked & ~caps_permitted();
	for (int i = 0; missing >> i; i++)
		if (missing >> i & 1)
			log_warn("process.capabilities: %s cannot be granted: the runtime does "
			         "not have it",
			         oci_cap_name(i));
}

int bundle_load(struct bundle *b, struct create_values *v, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	const char *config = v->config ? v->config : "config.json";

	b->fd = -1;
	b->path = NULL;
	oci_spec_init(&b->spec);
	b->path = realpath(v->bundle ? v->bundle : ".", NULL);
	if (!b->path)
		return err_sys(err, errno, "bundle '%s'", v->bundle ? v->bundle : ".");
	b->fd = dir_open_at(AT_FDCWD, b->path, err);
	if (b->fd < 0 ||
	    file_read_at(v->config ? AT_FDCWD : b->fd, config, 16u << 20, &text, &len, err) < 0)
		return err_ctx(err, "bundle '%s'", b->path);
	if (oci_spec_parse(&b->spec, config, text, len, err) < 0)
		return -1;
	oci_default_idmaps(&b->spec);
	for (size_t i = 0; i < b->spec.warnings.len; i++)
		log_warn("%s", b->spec.warnings.items[i]);
	warn_caps(&b->spec);
	return oci_annotations_apply(&b->spec, &v->pidfd_socket, err);
}

static int check_terminal(const struct oci_spec *spec, const struct create_values *v, bool detached,
                          struct err *err)
{
	if (v->format && !v->dry_run)
		return err_set(err, E_INVALID, "option --format: goes with --dry-run only");
	if (spec->process.terminal && detached && !v->console_socket)
		return err_set(err, E_INVALID,
		               "process.terminal: a container that is not waited for needs "
		               "--console-socket");
	if (!spec->process.terminal && v->console_socket)
		return err_set(err, E_INVALID,
		               "option --console-socket: process.terminal is not set");
	return 0;
}

static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static unsigned cgroup_manager(const struct oci_globals *g)
{
	const char *name = g->cgroup_manager   ? g->cgroup_manager
	                   : g->systemd_cgroup ? "systemd"
	                                       : "";

	if (strcmp(name, "disabled") == 0)
		return RUNTIME_NO_CGROUP;
	return strcmp(name, "systemd") == 0 ? RUNTIME_SYSTEMD : 0;
}

struct runtime_create_args create_args(const struct cmd_ctx *ctx, const struct create_values *v,
                                       const char *id, const struct bundle *b, unsigned flags)
{

	return (struct runtime_create_args){
		.id = id,
		.spec = &b->spec,
		.state_root_fd = -1,
		.bundle_fd = b->fd,
		.bundle_path = b->path,
		.stdio = { 0, 1, 2 },
		.console_socket = v->console_socket,
		.flags = flags | RUNTIME_SAVE_CONFIG | (v->no_pivot ? RUNTIME_NO_PIVOT : 0u) |
		         (v->no_new_keyring ? RUNTIME_NO_NEW_KEYRING : 0u) |
		         cgroup_manager(&ctx->globals),
	};
}

static int dry_run(struct cmd_ctx *ctx, const struct create_values *v, const char *id,
                   const struct bundle *b, unsigned flags)
{
	struct runtime_create_args args = create_args(ctx, v, id, b, flags);
	AUTO_JSON *steps = NULL;

	if (runtime_create_steps(&args, &steps, &ctx->err) < 0)
		return -1;
	return oci_print_steps(steps, id, v->format, &ctx->err);
}

static int do_create(struct cmd_ctx *ctx, const struct create_values *v, const char *id,
                     struct bundle *b, unsigned flags, struct runtime_container *ret)
{
	struct runtime_create_args args = create_args(ctx, v, id, b, flags);

	args.state_root_fd = oci_root(ctx);
	if (args.state_root_fd < 0 ||
	    oci_listen_fds(v->preserve_fds, &args.listen_fds, &args.preserve_fds, &ctx->err) < 0 ||
	    oci_notify_prepare(&b->spec, args.state_root_fd, id, &ctx->err) < 0)
		return -1;
	/* An interrupt half-way would leave half a container: it is served afterwards (run passes
	 * it on, create ends with it). */
	hold_signals();
	if (runtime_create(&args, ret, &ctx->err) < 0) {
		if (ctx->err.code != E_EXISTS)
			oci_notify_remove(args.state_root_fd, id);
		return -1;
	}
	if (oci_write_pid(v->pid_file, ret->pid, &ctx->err) == 0 &&
	    oci_send_pidfd(v->pidfd_socket, ret->pidfd, &ctx->err) == 0)
		return 0;
	runtime_delete(args.state_root_fd, id, true, ERR_IGNORE);
	oci_notify_remove(args.state_root_fd, id);
	return -1;
}

int cmd_create(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	struct create_values v = { 0 };
	AUTO_STRV args = STRV_INIT;
	struct bundle b;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	r = bundle_load(&b, &v, &ctx->err);
	if (r == 0)
		r = check_terminal(&b.spec, &v, true, &ctx->err);
	if (r == 0)
		r = v.dry_run ? dry_run(ctx, &v, args.items[0], &b, RUNTIME_JOIN_ALL)
		              : do_create(ctx, &v, args.items[0], &b, RUNTIME_JOIN_ALL, &c);
	runtime_container_done(&c);
	bundle_done(&b);
	return r;
}

static int start_and_wait(struct cmd_ctx *ctx, const struct create_values *v, const char *id,
                          struct runtime_container *c)
{
	AUTO_FD notify = -1;

	if (c->console_fd >= 0)
		runtime_terminal_plain(c->console_fd);
	if (oci_notify_open(ctx->root_fd, id, &notify, &ctx->err) < 0 ||
	    runtime_start(ctx->root_fd, id, c->start_fd, &ctx->err) < 0)
		return -1;
	if (v->detach) {
		if (notify >= 0)
			oci_notify_wait(notify, c->pid, c->pidfd);
		return 0;
	}
	/* The service manager watches this process, which ends with the container. */
	oci_notify_fork(notify, getpid(), c->pidfd);
	return oci_foreground(c->pid, c->pidfd, c->console_fd);
}

static int delete (struct cmd_ctx *ctx, const char *id)
{
	int r = runtime_delete(ctx->root_fd, id, true, &ctx->err);

	if (r > 0)
		log_warn("%s", ctx->err.msg);
	if (getenv("NOTIFY_SOCKET"))
		oci_notify_remove(ctx->root_fd, id);
	return r;
}

static int run_container(struct cmd_ctx *ctx, const struct create_values *v, const char *id,
                         struct bundle *b)
{
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	struct err err = ERR_INIT;
	int status;

	if (!v->no_subreaper && !v->detach)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (do_create(ctx, v, id, b, RUNTIME_START_BY_FD | (v->detach ? RUNTIME_JOIN_ALL : 0u),
	              &c) < 0)
		return -1;
	status = start_and_wait(ctx, v, id, &c);
	if (status < 0) {
		err = ctx->err;
		runtime_container_done(&c);
		(void)delete (ctx, id);
		ctx->err = err;
		return -1;
	}
	if (!v->detach && !v->keep && delete (ctx, id) < 0)
		status = -1;
	runtime_container_done(&c);
	return status;
}

int cmd_run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct create_values v = { 0 };
	AUTO_STRV args = STRV_INIT;
	struct bundle b;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	r = bundle_load(&b, &v, &ctx->err);
	if (r == 0)
		r = check_terminal(&b.spec, &v, v.detach, &ctx->err);
	if (r == 0)
		r = v.dry_run
		            ? dry_run(ctx, &v, args.items[0], &b, v.detach ? RUNTIME_JOIN_ALL : 0u)
		            : run_container(ctx, &v, args.items[0], &b);
	bundle_done(&b);
	return r;
}

static int wait_ready(struct cmd_ctx *ctx, const char *id, int notify_fd)
{
	AUTO_STATE st = { 0 };
	AUTO_FD pidfd = -1;

	if (runtime_state(ctx->root_fd, id, &st, &ctx->err) < 0)
		return -1;
	pidfd = pidfd_open_exact(st.pid, st.start_ticks);
	if (pidfd >= 0)
		oci_notify_wait(notify_fd, st.pid, pidfd);
	return 0;
}

int cmd_start(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	AUTO_FD notify = -1;
	int r = oci_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (oci_root(ctx) < 0 ||
	    oci_notify_open(ctx->root_fd, args.items[0], &notify, &ctx->err) < 0 ||
	    runtime_start(ctx->root_fd, args.items[0], -1, &ctx->err) < 0)
		return -1;
	return notify < 0 ? 0 : wait_ready(ctx, args.items[0], notify);
}

/* ---- spec ---- */

struct spec_values {
	const char *bundle;
	bool rootless;
};

/* clang-format off */
#define S(field) OPT(struct spec_values, field)
const struct opt oci_spec_options[] = {
	{ "bundle", 'b', OPT_STR, S(bundle), "DIR", "where to write config.json (default: the current directory)", 0, COMPLETE_DIR },
	{ "rootless", 0, OPT_BOOL, S(rootless), NULL, "for an ordinary user: a user namespace with one id", 0, 0 },
	OPT_END
};
/* clang-format on */

static void add_idmap(struct oci_idmap **maps, size_t *n, uint32_t host_id)
{
	VEC_PUSH(*maps, *n, (struct oci_idmap){ 0, host_id, 1 });
}

/* What needs root of the host is taken out. */
static void make_rootless(struct oci_spec *spec)
{
	struct oci_linux *l = &spec->linux_;

	l->ns[OCI_NS_USER].wanted = true;
	l->ns[OCI_NS_NETWORK].wanted = false;
	add_idmap(&l->uid_mappings, &l->n_uid_mappings, geteuid());
	add_idmap(&l->gid_mappings, &l->n_gid_mappings, getegid());
	oci_resources_done(&l->resources);
	oci_spec_remove_mount(spec, "/sys");
	oci_spec_remove_mount(spec, "/sys/fs/cgroup");
	oci_spec_remove_mount(spec, "/dev/pts");
	oci_spec_add_mount(spec, "/dev/pts", "devpts", "devpts",
	                   "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	oci_spec_add_mount(spec, "/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro");
}

int cmd_spec(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	const uint64_t caps =
		1ull << CAP_AUDIT_WRITE | 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE;
	struct spec_values v = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_SPEC spec;
	AUTO_FREE char *text = NULL;
	AUTO_FD dir = -1;
	int r;

	oci_spec_init(&spec);
	r = oci_parse(ctx, self, &v, argc, argv, &args);
	if (r)
		return r < 0 ? -1 : 0;
	dir = dir_open_at(AT_FDCWD, v.bundle ? v.bundle : ".", &ctx->err);
	if (dir < 0)
		return -1;
	if (faccessat(dir, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(&ctx->err, E_EXISTS, "config.json exists already");
	oci_spec_default(&spec);
	spec.process.terminal = true;
	strv_add(&spec.process.args, "sh");
	strv_add(&spec.process.env, "TERM=xterm");
	spec.process.no_new_privileges = true;
	spec.process.caps.bounding = spec.process.caps.effective = spec.process.caps.permitted =
		caps;
	oci_process_add_rlimit(&spec.process, RLIMIT_NOFILE, 1024, 1024);
	spec.root_path = xstrdup("rootfs");
	spec.root_readonly = true;
	spec.hostname = xstrdup("dhow");
	if (v.rootless)
		make_rootless(&spec);
	text = oci_spec_format(&spec, true);
	strv_add_owned(&args, xasprintf("%s\n", text));
	return file_write_atomic_at(dir, "config.json", args.items[0], strlen(args.items[0]), 0644,
	                            0, &ctx->err);
}
