/* checkpoint, restore */
#include "oci.h"

#include <sched.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "runtime/checkpoint.h"

struct criu_values {
	const char *image_path, *work_path, *parent_path, *page_server, *cgroups_mode;
	const char *lsm_profile, *lsm_mount_context, *network_lock;
	struct strv empty_ns;
	int64_t status_fd;
	bool leave_running, tcp_established, tcp_close, tcp_skip_in_flight, ext_unix_sk, shell_job;
	bool file_locks, pre_dump, auto_dedup, lazy_pages, link_remap;
	/* restore */
	struct create_values create;
};

/* clang-format off */
#define O(field) OPT(struct criu_values, field)
#define C(field) OPT(struct criu_values, create.field)
#define CRIU_OPTIONS \
	{ "image-path", 0, OPT_STR, O(image_path), "DIR", "directory of the images (default: ./checkpoint)", 0, COMPLETE_DIR }, \
	{ "work-path", 0, OPT_STR, O(work_path), "DIR", "directory of logs and statistics (default: that of the images)", 0, COMPLETE_DIR }, \
	{ "tcp-established", 0, OPT_BOOL, O(tcp_established), NULL, "allow open TCP connections", 0, 0 }, \
	{ "tcp-close", 0, OPT_BOOL, O(tcp_close), NULL, "TCP connections are closed ones afterwards", 0, 0 }, \
	{ "ext-unix-sk", 0, OPT_BOOL, O(ext_unix_sk), NULL, "allow unix sockets with a peer outside", 0, 0 }, \
	{ "shell-job", 0, OPT_BOOL, O(shell_job), NULL, "allow a terminal and session of the outside", 0, 0 }, \
	{ "file-locks", 0, OPT_BOOL, O(file_locks), NULL, "allow file locks", 0, 0 }, \
	{ "manage-cgroups-mode", 0, OPT_STR, O(cgroups_mode), "MODE", "soft, full, strict or ignore (default soft)", 0, 0 }, \
	{ "empty-ns", 0, OPT_LIST, O(empty_ns), "KIND", "network: a namespace without what was in it", 0, 0 }, \
	{ "auto-dedup", 0, OPT_BOOL, O(auto_dedup), NULL, "give back the space of pages that are in newer images", 0, 0 }, \
	{ "lazy-pages", 0, OPT_BOOL, O(lazy_pages), NULL, "memory is fetched when it is used", 0, 0 }, \
	{ "network-lock", 0, OPT_STR, O(network_lock), "MEANS", "how connections are held: iptables or nftables", 0, 0 }

const struct opt oci_checkpoint_options[] = {
	CRIU_OPTIONS,
	{ "parent-path", 0, OPT_STR, O(parent_path), "DIR", "images of the pre-dump before, relative to --image-path", 0, 0 },
	{ "leave-running", 0, OPT_BOOL, O(leave_running), NULL, "go on afterwards", 0, 0 },
	{ "tcp-skip-in-flight", 0, OPT_BOOL, O(tcp_skip_in_flight), NULL, "leave out TCP connections that are being made", 0, 0 },
	{ "link-remap", 0, OPT_BOOL, O(link_remap), NULL, "allow unlinked files by linking them again", 0, 0 },
	{ "status-fd", 0, OPT_INT, O(status_fd), "FD", "gets a zero byte when lazy pages are ready to be fetched", 0, 0 },
	{ "page-server", 0, OPT_STR, O(page_server), "ADDRESS:PORT", "send memory to this page server", 0, 0 },
	{ "pre-dump", 0, OPT_BOOL, O(pre_dump), NULL, "save memory only, and go on", 0, 0 },
	OPT_END
};
const struct opt oci_restore_options[] = {
	CRIU_OPTIONS,
	{ "bundle", 'b', OPT_STR, C(bundle), "DIR", "directory of config.json (default: the current one)", 0, COMPLETE_DIR },
	{ "config", 'f', OPT_STR, C(config), "FILE", "configuration, instead of config.json in the bundle", 0, COMPLETE_FILE },
	{ "console-socket", 0, OPT_STR, C(console_socket), "SOCKET", "where to send the terminal's master", 0, COMPLETE_FILE },
	{ "pid-file", 0, OPT_STR, C(pid_file), "FILE", "write the pid of the first process here", 0, COMPLETE_FILE },
	{ "detach", 'd', OPT_BOOL, C(detach), NULL, "do not wait for the container", 0, 0 },
	{ "keep", 0, OPT_BOOL, C(keep), NULL, "do not delete the container when it has ended", 0, 0 },
	{ "no-subreaper", 0, OPT_BOOL, C(no_subreaper), NULL, "do not adopt processes that the container leaves", 0, 0 },
	{ "no-pivot", 0, OPT_BOOL, C(no_pivot), NULL, "accepted: criu finds its own way into the root", OPT_HIDDEN, 0 },
	{ "lsm-profile", 0, OPT_STR, O(lsm_profile), "TYPE:NAME", "profile of a security module to restore with", 0, 0 },
	{ "lsm-mount-context", 0, OPT_STR, O(lsm_mount_context), "LABEL", "SELinux label of restored mounts", 0, 0 },
	OPT_END
};
/* clang-format on */

static unsigned flags_of(const struct criu_values *v)
{
	return (v->leave_running ? CRIU_LEAVE_RUNNING : 0u) |
	       (v->tcp_established ? CRIU_TCP_ESTABLISHED : 0u) |
	       (v->tcp_close ? CRIU_TCP_CLOSE : 0u) |
	       (v->tcp_skip_in_flight ? CRIU_TCP_SKIP_IN_FLIGHT : 0u) |
	       (v->ext_unix_sk ? CRIU_EXT_UNIX_SK : 0u) | (v->shell_job ? CRIU_SHELL_JOB : 0u) |
	       (v->file_locks ? CRIU_FILE_LOCKS : 0u) | (v->pre_dump ? CRIU_PRE_DUMP : 0u) |
	       (v->auto_dedup ? CRIU_AUTO_DEDUP : 0u) | (v->lazy_pages ? CRIU_LAZY_PAGES : 0u) |
	       (v->link_remap ? CRIU_LINK_REMAP : 0u);
}

static int set_mode(const char *mode, struct criu_options *o, struct err *err)
{
	static const struct {
		const char *name;
		enum criu_cgroups mode;
	} modes[] = { { "soft", CRIU_CGROUPS_SOFT },
		      { "full", CRIU_CGROUPS_FULL },
		      { "strict", CRIU_CGROUPS_STRICT },
		      { "ignore", CRIU_CGROUPS_IGNORE } };

	for (size_t i = 0; mode && i < ARRAY_LEN(modes); i++) {
		if (strcmp(mode, modes[i].name) == 0) {
			o->cgroups = modes[i].mode;
			return 0;
		}
	}
	return mode ? err_set(err, E_INVALID,
	                      "option --manage-cgroups-mode: '%s' is not soft, full, strict or "
	                      "ignore",
	                      mode)
	            : 0;
}

/* "ADDRESS:PORT"; the address is cut off the colon in *copy. */
static int set_page_server(const char *text, char **copy, struct criu_options *o, struct err *err)
{
	uint32_t port;
	char *colon;

	if (!text)
		return 0;
	*copy = xstrdup(text);
	colon = strrchr(*copy, ':');
	if (!colon || colon == *copy || parse_u32(colon + 1, &port) < 0 || !port || port > 65535)
		return err_set(err, E_INVALID, "option --page-server: '%s' is not ADDRESS:PORT",
		               text);
	*colon = '\0';
	o->page_server_host = *copy;
	o->page_server_port = (int)port;
	return 0;
}

static int make_options(const struct criu_values *v, char **host, struct criu_options *o,
                        struct err *err)
{
	*o = (struct criu_options){
		.images = v->image_path ? v->image_path : "checkpoint",
		.work = v->work_path,
		.parent = v->parent_path,
		.flags = flags_of(v),
		.cgroups = CRIU_CGROUPS_DEFAULT,
		.status_fd = (int)v->status_fd,
		.lsm_profile = v->lsm_profile,
		.lsm_mount_context = v->lsm_mount_context,
	};
	for (size_t i = 0; i < v->empty_ns.len; i++) {
		if (strcmp(v->empty_ns.items[i], "network") != 0)
			return err_set(err, E_UNSUPPORTED,
			               "option --empty-ns: '%s' is not network, the one kind that "
			               "criu can leave empty",
			               v->empty_ns.items[i]);
		o->empty_ns |= CLONE_NEWNET;
	}
	if (v->network_lock) {
		o->network_lock = strcmp(v->network_lock, "iptables") == 0   ? 1
		                  : strcmp(v->network_lock, "nftables") == 0 ? 2
		                                                             : 0;
		if (!o->network_lock)
			return err_set(err, E_INVALID,
			               "option --network-lock: '%s' is neither iptables nor "
			               "nftables",
			               v->network_lock);
	}
	if (set_mode(v->cgroups_mode, o, err) < 0)
		return -1;
	return set_page_server(v->page_server, host, o, err);
}

int cmd_checkpoint(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct criu_values v = { .status_fd = -1 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *host = NULL;
	struct criu_options o;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r == 0) {
		r = make_options(&v, &host, &o, &ctx->err);
		if (r == 0 && oci_root(ctx) < 0)
			r = -1;
		if (r == 0)
			r = runtime_checkpoint(ctx->root_fd, args.items[0], &o, &ctx->err);
		/* as runc: what is saved is gone from here */
		if (r == 0 && !v.leave_running && !v.pre_dump)
			r = runtime_delete(ctx->root_fd, args.items[0], true, &ctx->err);
	} else {
		r = r < 0 ? -1 : 0;
	}
	strv_done(&v.empty_ns);
	return r;
}

static int restore(struct cmd_ctx *ctx, struct criu_values *v, const char *id)
{
	struct runtime_container c = RUNTIME_CONTAINER_INIT;
	struct runtime_create_args args;
	AUTO_FREE char *host = NULL;
	struct criu_options o;
	struct bundle b;
	int status = 0;

	if (make_options(v, &host, &o, &ctx->err) < 0 || oci_root(ctx) < 0)
		return -1;
	if (!v->create.no_subreaper && !v->create.detach)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	status = bundle_load(&b, &v->create, &ctx->err);
	if (status == 0) {
		args = create_args(ctx, &v->create, id, &b, RUNTIME_JOIN_ALL);
		args.state_root_fd = ctx->root_fd;
		status = runtime_restore(&args, &o, &c, &ctx->err);
	}
	if (status == 0 && oci_write_pid(v->create.pid_file, c.pid, &ctx->err) < 0) {
		runtime_delete(ctx->root_fd, id, true, ERR_IGNORE);
		status = -1;
	}
	if (status == 0 && !v->create.detach) {
		status = oci_foreground(c.pid, c.pidfd, c.console_fd);
		if (!v->create.keep && runtime_delete(ctx->root_fd, id, true, &ctx->err) < 0)
			status = -1;
	}
	runtime_container_done(&c);
	bundle_done(&b);
	return status;
}

int cmd_restore(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct criu_values v = { .status_fd = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	r = r == 0 ? restore(ctx, &v, args.items[0]) : r < 0 ? -1 : 0;
	strv_done(&v.empty_ns);
	return r;
}
