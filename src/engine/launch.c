/* Making a container run. The process that calls container_launch() makes init as its child
 * and then becomes its monitor, so what is here runs in M of ARCHITECTURE.md, or in the
 * `dhow __after-exit` of a container that starts again. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/disk-quota.h"
#include "engine/engine-internal.h"
#include "engine/image-mounts.h"
#include "engine/launch-internal.h"
#include "engine/monitor-proto.h"
#include "engine/spec-build.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "net/net.h"
#include "runtime/runtime.h"
#include "sys/cgroup.h"
#include "sys/pidfd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

struct launch {
	bool client_cleans; /* the first client is there to clean up: see monitor-proto.h */
	struct engine *e;
	struct container_row *row;
	struct launch_fds *fds;
	struct container_options opts;
	struct image image;
	struct oci_spec spec;
	struct rootfs_plan plan;
	struct ctr_image_mounts *image_mounts; /* NULL: none */
	struct network_choice network;
	struct spec_build_env env;
	char *container_path;
	char *init_path;
	char *monitor_path;
	int dir_fd;
	int state_root;
	int listen_fd;
	int oom_fd;
	int ours[3];   /* our ends of stdin, stdout, stderr */
	int theirs[3]; /* the container's */
	struct runtime_container container;
	struct net_result net;
};

static void launch_init(struct launch *l, struct engine *e, struct container_row *row,
                        struct launch_fds *fds)
{
	*l = (struct launch){
		.e = e,
		.row = row,
		.fds = fds,
		.plan = ROOTFS_PLAN_INIT,
		.dir_fd = -1,
		.state_root = -1,
		.listen_fd = -1,
		.oom_fd = -1,
		.ours = { -1, -1, -1 },
		.theirs = { -1, -1, -1 },
		.container = RUNTIME_CONTAINER_INIT,
	};
	container_options_init(&l->opts);
	oci_spec_init(&l->spec);
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(TAKE_FD(fds[i]));
}

static void launch_done(struct launch *l)
{
	container_options_done(&l->opts);
	image_done(&l->image);
	oci_spec_done(&l->spec);
	rootfs_plan_done(&l->plan);
	ctr_image_mounts_free(l->image_mounts);
	runtime_container_done(&l->container);
	net_result_done(&l->net);
	free(l->container_path);
	free(l->init_path);
	free(l->monitor_path);
	close_all((int[]){ l->dir_fd, l->state_root, l->listen_fd, l->oom_fd }, 4);
	close_all(l->ours, 3);
	close_all(l->theirs, 3);
}

/* --network container:ID and its kin: the other one must run now. */
static int find_peer(void *ctx, const char *name, struct spec_peer *ret, struct err *err)
{
	struct engine *e = ctx;
	AUTO_FD pidfd = -1;

	if (container_find(e, name, ret->id, err) < 0)
		return -1;
	return container_pidfd(e, ret->id, &ret->pid, &pidfd, err);
}

static int prepare_rootfs(struct launch *l, struct err *err)
{
	AUTO_FD upper = dir_open_at(l->dir_fd, "upper", err);
	AUTO_FD work = -1;
	AUTO_FD skeleton = -1;

	if (upper < 0)
		return -1;
	/* A volatile overlay leaves a mark that forbids a second mount, because writes may be
	 * missing after a crash of the machine. There was none: this is a restart. */
	if (l->opts.rm && l->row->started_ns &&
	    (tree_remove_at(l->dir_fd, "work", err) < 0 ||
	     dir_make_at(l->dir_fd, "work", 0700, err) < 0 ||
	     (l->opts.storage_opt.len && disk_quota_copy(l->dir_fd, err) < 0)))
		return -1;
	work = dir_open_at(l->dir_fd, "work", err);
	if (work < 0)
		return -1;
	if (rootfs_plan_init(&l->plan, image_store_layers(l->e->images), l->image.config.diff_ids,
	                     l->image.config.n_diff_ids, upper, work,
	                     l->opts.rm ? ROOTFS_VOLATILE : 0, err) < 0)
		return -1;
	skeleton = launch_skeleton_open(l->e, err);
	return skeleton < 0 ? -1 : rootfs_plan_add_below(&l->plan, skeleton, err);
}

static bool cgroups_usable(const struct engine *e)
{
	const struct cgroup_layout *layout = cgroup_layout_get();

	return !e->rootless && layout->mode != CGROUP_MODE_NONE;
}

/* From names to values; nothing is changed yet but the container's own three files. */
static int prepare(struct launch *l, struct err *err)
{
	struct engine *e = l->e;
	struct image_store *images = engine_images(e, err);

	if (!images || container_options_load(e, l->row->id, &l->opts, err) < 0 ||
	    image_resolve(images, l->row->image_id, &l->image, err) < 0 ||
	    network_choice_parse(&l->opts, e->rootless, &l->network, err) < 0 ||
	    helper_find("dhow-monitor", &l->monitor_path, err) < 0)
		return -1;
	if (l->opts.init && helper_find("dhow-init", &l->init_path, err) < 0)
		return -1;
	l->dir_fd = container_dir_open(e, l->row->id, err);
	l->state_root = l->dir_fd < 0 ? -1 : engine_state_root(e, err);
	if (l->state_root < 0)
		return -1;
	l->container_path = xasprintf("%s/" CONTAINERS_DIR "/%s", e->root_path, l->row->id);
	l->env = (struct spec_build_env){
		.id = l->row->id,
		.name = l->row->name,
		.root_path = e->root_path,
		.container_path = l->container_path,
		.init_path = l->init_path,
		.rootless = e->rootless,
		.has_cgroup = cgroups_usable(e),
		.find_peer = find_peer,
		.find_peer_ctx = e,
	};
	oci_spec_done(&l->spec);
	if (spec_build(&l->opts, &l->image.config, &l->env, &l->spec, err) < 0 ||
	    prepare_rootfs(l, err) < 0 ||
	    ctr_image_mounts_plan(e, &l->opts, &l->image_mounts, err) < 0)
		return -1;
	return launch_write_files(l->e, l->dir_fd, l->row, &l->opts, &l->network, NULL, err);
}

/* In the container's first process, in its mount namespace. */
static int mount_rootfs(void *ctx, int *ret_mount_fd, struct err *err)
{
	struct launch *l = ctx;
	AUTO_FD fd = -1;

	if (rootfs_mount(&l->plan, &fd, err) < 0)
		return err_ctx(err, "mount the root file system");
	if (spec_finish(&l->opts, &l->image.config, &l->env, fd, &l->spec, err) < 0 ||
	    ctr_image_mounts_make(l->image_mounts, l->container_path, &l->spec, err) < 0)
		return -1;
	*ret_mount_fd = TAKE_FD(fd);
	return 0;
}

static int make_stdio(struct launch *l, struct err *err)
{
	if (l->opts.tty)
		return 0; /* the runtime makes the terminal */
	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (i == 0 && !l->opts.interactive)
			continue;
		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_sys(err, errno, "make a pipe");
		l->theirs[i] = ends[i == 0 ? 0 : 1];
		l->ours[i] = ends[i == 0 ? 1 : 0];
	}
	return 0;
}

static int create(struct launch *l, struct err *err)
{
	struct runtime_create_args args = {
		.id = l->row->id,
		.spec = &l->spec,
		.state_root_fd = l->state_root,
		.bundle_fd = -1,
		.bundle_path = l->container_path,
		.mount_rootfs = mount_rootfs,
		.mount_rootfs_ctx = l,
		.stdio = { l->theirs[0], l->theirs[1], l->theirs[2] },
		.flags = RUNTIME_START_BY_FD | (cgroups_usable(l->e) ? 0 : RUNTIME_NO_CGROUP),
	};

	/* a launch that was killed half-way may have left its state */
	if (l->row->started_ns || l->row->error[0])
		runtime_delete(l->state_root, l->row->id, true, ERR_IGNORE);
	if (runtime_create(&args, &l->container, err) < 0) {
		if (err->code != E_EXISTS)
			return -1;
		if (runtime_delete(l->state_root, l->row->id, true, err) < 0 ||
		    runtime_create(&args, &l->container, err) < 0)
			return -1;
	}
	close_all(l->theirs, 3);
	if (l->opts.tty && l->container.console_fd >= 0) {
		struct winsize size = { .ws_row = l->fds->rows, .ws_col = l->fds->cols };

		l->ours[1] = TAKE_FD(l->container.console_fd);
		l->ours[0] = fd_dup(l->ours[1]);
		if (size.ws_row && size.ws_col)
			ioctl(l->ours[1], TIOCSWINSZ, &size);
	}
	return 0;
}

/* What it wants may be held by a container that died unseen. */
static bool may_be_stale(const struct err *err)
{
	return err->code == E_BUSY || err->code == E_EXISTS || err->code == E_NO_SPACE;
}

static int connect_network(struct launch *l, struct err *err)
{
	struct net_request request = {
		.container_id = l->row->id,
		.name = l->row->name,
		.ip = l->opts.ip,
		.mac = l->opts.mac_address,
	};
	struct net_ports ports = NET_PORTS_INIT;
	AUTO_BUF text = STRBUF_INIT;
	AUTO_FD netns = -1;
	struct net *net;
	char path[40], ip[INET_ADDRSTRLEN];
	int r = -1;

	if (l->network.mode != NETWORK_BRIDGE)
		return 0;
	net = engine_net(l->e, err);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", l->container.pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (!net || launch_ports(&l->opts, &l->image.config, &ports, err) < 0)
		goto out;
	if (netns < 0) {
		err_sys(err, errno, "open the container's network namespace '%s'", path);
		goto out;
	}
	request.netns_fd = netns;
	request.ports = &ports;
	if (net_setup(net, &request, &l->net, err) < 0 &&
	    (!may_be_stale(err) || !launch_free_stale_addresses(l->e, net) ||
	     net_setup(net, &request, &l->net, err) < 0))
		goto out;
	net_ports_format(&l->net.ports, &text);
	free(l->row->ports);
	l->row->ports = strbuf_take(&text);
	free(l->row->ip);
	l->row->ip = xstrdup(inet_ntop(AF_INET, &l->net.ip, ip, sizeof(ip)));
	r = launch_write_files(l->e, l->dir_fd, l->row, &l->opts, &l->network, &l->net, err);
out:
	net_ports_done(&ports);
	return r;
}

static int open_oom_counter(struct launch *l)
{
	const struct cgroup_layout *layout = cgroup_layout_get();
	bool v2 = (layout->on_v2 & CGROUP_BIT(CGROUP_MEMORY)) != 0;
	AUTO_STATE state = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;

	if (runtime_state(l->state_root, l->row->id, &state, ERR_IGNORE) < 0 ||
	    !state.cgroup_path || runtime_cgroup(&state, &cg, ERR_IGNORE) < 0)
		return -1;
	if (v2)
		return openat(cg.fds[CGROUP_UNIFIED], "memory.events", O_RDONLY | O_CLOEXEC);
	return openat(cg.fds[CGROUP_MEMORY], "memory.oom_control", O_RDONLY | O_CLOEXEC);
}

/* In the transaction that makes it run: a user's start forgets his stop, and the restart policy's
 * gives way to it. */
static int decide_start(struct launch *l, struct err *err)
{
	int64_t stopped = 0;

	if (!l->fds->by_policy)
		return record_user_stopped(l->e, l->row->id, false, err);
	if (db_get_i64(l->e->db, &stopped, err, "SELECT user_stopped FROM container WHERE id = ?",
	               DB_TEXT(l->row->id)) < 0)
		return -1;
	return stopped ? err_set(err, E_INTERRUPTED, "container '%s' was stopped", l->row->name)
	               : 0;
}

/* It runs, from here on: a crash now is found by its pid. */
static int record_running(struct launch *l, pid_t monitor_pid, struct err *err)
{
	struct engine *e = l->e;
	struct db *db = engine_db(e, err);
	struct container_row *row = l->row;

	if (!db)
		return -1;
	if (process_start_time(l->container.pid, &row->pid_start) < 0 ||
	    process_start_time(monitor_pid, &row->monitor_start) < 0)
		return err_set(err, E_IO, "container '%s' ended before it was started", row->name);
	row->pid = l->container.pid;
	row->monitor_pid = monitor_pid;
	snprintf(row->boot_id, sizeof(row->boot_id), "%s", engine_boot_id());
	row->status = CONTAINER_RUNNING;
	row->started_ns = clock_realtime_ns();
	row->finished_ns = 0;
	row->exit_code = 0;
	row->oom_killed = false;
	free(row->error);
	row->error = xstrdup("");
	unlinkat(l->dir_fd, MONITOR_EXIT_FILE, 0);
	if (db_begin_immediate(db, err) < 0)
		return -1;
	if (decide_start(l, err) < 0 || record_update(e, row, err) < 0 ||
	    event_container(e, row, "start", NULL, NULL, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

static void add_fd(struct strv *argv, const char *key, int fd)
{
	if (fd < 0)
		return;
	strv_addf(argv, "%s=%d", key, fd);
	fd_set_cloexec(fd, false);
}

/* Returns only when it failed. */
static int become_monitor(struct launch *l, const int *hold_fds, size_t n_hold, struct err *err)
{
	AUTO_FREE char *program = NULL;
	struct log_config log;
	AUTO_STRV argv = STRV_INIT;
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (helper_find("dhow", &program, err) < 0 || log_config_parse(&l->opts, &log, err) < 0)
		return -1;
	if (null < 0)
		return err_sys(err, errno, "open '/dev/null'");
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	strv_add(&argv, "dhow-monitor");
	strv_addf(&argv, "id=%s", l->row->id);
	strv_addf(&argv, "root=%s", l->e->root_path);
	strv_addf(&argv, "runroot=%s", l->e->runroot_path);
	strv_addf(&argv, "program=%s", program);
	strv_addf(&argv, "pid=%d", l->container.pid);
	strv_addf(&argv, "start=%llu", (unsigned long long)l->row->pid_start);
	strv_addf(&argv, "log=%s", log_driver_name(log.driver));
	if (log.max_size_bytes) {
		strv_addf(&argv, "log-max-bytes=%llu", (unsigned long long)log.max_size_bytes);
		strv_addf(&argv, "log-max-files=%u", log.max_files);
	}
	strv_addf(&argv, "tty=%d", l->opts.tty);
	strv_addf(&argv, "sync=%d", !l->opts.rm);
	strv_addf(&argv, "stdin-once=%d", l->row->stdin_once);
	strv_addf(&argv, "client-cleans=%d", l->client_cleans);
	add_fd(&argv, "pidfd", l->container.pidfd);
	add_fd(&argv, "stdin", l->opts.interactive ? l->ours[0] : -1);
	add_fd(&argv, "stdout", l->ours[1]);
	add_fd(&argv, "stderr", l->ours[2]);
	add_fd(&argv, "listen", l->listen_fd);
	add_fd(&argv, "client", l->fds->client);
	add_fd(&argv, "done", l->fds->done);
	add_fd(&argv, "dir", l->dir_fd);
	add_fd(&argv, "oom", l->oom_fd);
	for (size_t i = 0; i < n_hold; i++)
		fd_set_cloexec(hold_fds[i], false);
	if (chdir("/") < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return err_sys(err, errno, "prepare the monitor");
	launch_report_ready(l->fds->report);
	execve(l->monitor_path, argv.items, environ);
	return err_sys(err, errno, "execute '%s'", l->monitor_path);
}

struct launch *launch_new(struct engine *e, struct container_row *row, struct launch_fds *fds)
{
	struct launch *l = xcalloc(1, sizeof(*l));

	launch_init(l, e, row, fds);
	return l;
}

void launch_free(struct launch *l)
{
	if (!l)
		return;
	launch_done(l);
	free(l);
}

int launch_prepare(struct launch *l, struct err *err)
{
	if (prepare(l, err) < 0)
		return -1;
	l->listen_fd = attach_listen(l->e, l->row->id, err);
	return l->listen_fd < 0 ? -1 : 0;
}

int launch_create(struct launch *l, pid_t *ret_pid, struct err *err)
{
	if (make_stdio(l, err) < 0 || create(l, err) < 0)
		return -1;
	l->oom_fd = open_oom_counter(l);
	/* the monitor needs it, and M's copy of the row is its own */
	if (process_start_time(l->container.pid, &l->row->pid_start) < 0)
		return err_set(err, E_IO, "container '%s' ended before it was started",
		               l->row->name);
	*ret_pid = l->container.pid;
	return 0;
}

int launch_connect(struct launch *l, pid_t init_pid, pid_t monitor_pid, struct launch_holds *ret,
                   struct err *err)
{
	l->container.pid = init_pid;
	if (connect_network(l, err) < 0 || record_running(l, monitor_pid, err) < 0)
		return -1;
	/* Giving back published ports takes the kernel a while, which a client need not see. */
	*ret = (struct launch_holds){
		.fds = l->net.hold_fds,
		.n = l->net.hold_fds_len,
		.client_cleans = l->opts.rm && l->fds->attached && !l->net.ports.len,
	};
	return 0;
}

int launch_run(struct launch *l, const struct launch_holds *holds, struct err *err)
{
	l->client_cleans = holds->client_cleans;
	if (runtime_start(l->state_root, l->row->id, l->container.start_fd, err) < 0)
		return -1;
	return become_monitor(l, holds->fds, holds->n, err);
}

void launch_undo(struct launch *l)
{
	runtime_container_done(&l->container);
	if (l->state_root >= 0)
		runtime_delete(l->state_root, l->row->id, true, ERR_IGNORE);
}

int container_launch(struct engine *e, struct container_row *row, struct launch_fds *fds,
                     struct err *err)
{
	struct launch *l = launch_new(e, row, fds);
	struct launch_holds holds;
	pid_t pid;

	if (launch_prepare(l, err) == 0 && launch_create(l, &pid, err) == 0 &&
	    launch_connect(l, pid, getpid(), &holds, err) == 0) {
		engine_release(e);
		launch_run(l, &holds, err);
	}
	launch_undo(l);
	container_release(e, row, ERR_IGNORE);
	launch_free(l);
	return -1;
}
