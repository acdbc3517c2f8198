#include "engine/cp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/cp-internal.h"
#include "engine/engine.h"
#include "sys/rootfs.h"

#define LINKS_MAX 40

/* From the child: what is at the path, then how it ended. */
struct report {
	bool exists;
	mode_t mode;
	char path[PATH_MAX]; /* of a target: with links at its end followed */
	struct err err;      /* E_OK: fine */
};

/* To the child: go on, with this. */
struct order {
	struct cp_place place; /* into the container; its name: as what to pack */
	bool compressed;
	bool archive; /* the archive's owners are wanted */
};

struct cp {
	struct engine *e;
	const struct cp_args *args;
	char id[ID_LEN + 1];
	const char *path; /* in the container */
	bool from;        /* from the container */
	int ctl;          /* our end of the socket */
	int data;         /* our end of the pipe */
	struct err *err;
};

/* ---- the child, inside ---- */

static void NORETURN child_exit(int ctl, const struct report *r)
{
	send(ctl, r, sizeof(*r), MSG_NOSIGNAL);
	_exit(r->err.code != E_OK);
}

/* Follow links at the end of a target, so that the file they lead to is replaced, not the link. */
static int resolve_target(int root_fd, const char *path, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s", path);
	for (int i = 0; i < LINKS_MAX && !cp_wants_directory(ret); i++) {
		char link[PATH_MAX], next[PATH_MAX];
		const char *name;
		AUTO_FD dir = rootfs_open_parent(root_fd, ret, 0, &name);
		ssize_t n = dir < 0 ? -1 : readlinkat(dir, name, link, sizeof(link) - 1);

		if (n < 0)
			return 0;
		link[n] = '\0';
		if (snprintf(next, sizeof(next), "%.*s%s", *link == '/' ? 0 : (int)(name - ret),
		             ret, link) >= (int)sizeof(next))
			return -ENAMETOOLONG;
		memcpy(ret, next, sizeof(next));
	}
	return 0;
}

/* What is at the path. A source is not followed unless told; a target is. */
static int look(struct cp *c, int root_fd, struct report *r)
{
	bool follow = !c->from || c->args->follow || cp_wants_directory(c->path);
	AUTO_FD fd = rootfs_open(root_fd, c->path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
	struct stat st;

	if (fd == -ENOENT && !c->from)
		return 0;
	if (fd < 0)
		return err_sys(&r->err, -fd, "'%s' in the container", c->path);
	if (fstat(fd, &st) < 0)
		return err_sys(&r->err, errno, "'%s' in the container", c->path);
	if (cp_wants_directory(c->path) && !S_ISDIR(st.st_mode))
		return err_set(&r->err, E_INVALID, "'%s' in the container is not a directory",
		               c->path);
	r->exists = true;
	r->mode = st.st_mode;
	if (!c->from && resolve_target(root_fd, c->path, r->path) < 0)
		return err_set(&r->err, E_INVALID, "'%s' in the container: path too long", c->path);
	return 0;
}

static int child_pack(struct cp *c, int root_fd, mode_t mode, const struct order *o, int data,
                      struct err *err)
{
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(tar_write_to_fd, &data);
	struct pack_source src = { .as = o->place.name, .xattrs = o->archive, .top_fd = -1 };
	AUTO_FD fd = -1;

	if (S_ISDIR(mode) || S_ISREG(mode)) {
		fd = rootfs_open(root_fd, c->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		if (fd < 0)
			return err_sys(err, -fd, "open '%s' in the container", c->path);
		src.top_fd = fd;
	} else {
		fd = rootfs_open_parent(root_fd, c->path, 0, &src.name);
		if (fd < 0)
			return err_sys(err, -fd, "open '%s' in the container", c->path);
		src.parent_fd = fd;
	}
	return cp_pack(&src, w, err);
}

static int child_run(struct cp *c, int ctl, int data, struct report *r)
{
	AUTO_FREE struct order *o = xmalloc(sizeof(*o));
	AUTO_FD root = -1;

	prctl(PR_SET_DUMPABLE, 0);
	umask(0);
	if (cp_enter(c->e, c->id, &root, &r->err) < 0 || look(c, root, r) < 0)
		return -1;
	if (send(ctl, r, sizeof(*r), MSG_NOSIGNAL) < 0)
		return err_sys(&r->err, errno, "report");
	/* an end of file here: the parent found that it cannot go on */
	if (recv(ctl, o, sizeof(*o), 0) != (ssize_t)sizeof(*o))
		_exit(0);
	if (c->from)
		return child_pack(c, root, r->mode, o, data, &r->err);
	if (cp_unpack(root, o->place.dir,
	              UNPACK_FOLLOW_IN_ROOT | (o->archive ? UNPACK_KEEP_OWNER : 0), o->compressed,
	              data, &r->err) < 0)
		return err_ctx(&r->err, "in the container");
	return 0;
}

static void NORETURN child_main(struct cp *c, int ctl, int data)
{
	struct report r = { .err = ERR_INIT };

	signal(SIGPIPE, SIG_IGN);
	/* nobody is left to talk to: no use in going on */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_run(c, ctl, data, &r);
	child_exit(ctl, &r);
}

static int start_child(struct cp *c, pid_t *ret_pid)
{
	int ctl[2], data[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
		return err_sys(c->err, errno, "socketpair");
	if (pipe2(data, O_CLOEXEC) < 0) {
		close(ctl[0]);
		close(ctl[1]);
		return err_sys(c->err, errno, "pipe");
	}
	engine_release(c->e);
	pid = fork();
	if (pid == 0) {
		close(ctl[0]);
		close(data[c->from ? 0 : 1]);
		child_main(c, ctl[1], data[c->from ? 1 : 0]);
	}
	close(ctl[1]);
	close(data[c->from ? 1 : 0]);
	c->ctl = ctl[0];
	c->data = data[c->from ? 0 : 1];
	if (pid < 0)
		return err_sys(c->err, errno, "fork");
	*ret_pid = pid;
	return 0;
}

/* The child's next report; a failure of its becomes ours. */
static int get_report(struct cp *c, struct report *r)
{
	ssize_t n;

	do
		n = recv(c->ctl, r, sizeof(*r), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*r))
		return err_set(c->err, E_IO, "the copying process ended unexpectedly");
	if (r->err.code != E_OK) {
		*c->err = r->err;
		return -1;
	}
	return 0;
}

static int send_order(struct cp *c, const struct order *o)
{
	if (send(c->ctl, o, sizeof(*o), MSG_NOSIGNAL) < 0)
		return err_sys(c->err, errno, "talk to the copying process");
	return 0;
}

/* ---- the parent, outside ---- */

static int pump(struct cp *c, int in, int out)
{
	AUTO_FREE char *buf = xmalloc(1 << 16);

	for (;;) {
		ssize_t n = read(in, buf, 1 << 16);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(c->err, errno, "read");
		if (n == 0)
			return 0;
		r = fd_write_all(out, buf, (size_t)n);
		if (r < 0)
			return err_sys(c->err, -r, "write");
	}
}

static int from_container(struct cp *c, const struct report *r, struct order *o)
{
	const char *dest = c->args->dest;
	struct cp_source src = { c->path, r->mode };
	struct cp_target dst = { .path = dest };
	AUTO_FREE char *real = NULL;
	struct stat st;

	if (!strcmp(dest, "-")) {
		cp_base_name(c->path, o->place.name);
		o->archive = true;
		return send_order(c, o) < 0 ? -1 : pump(c, c->data, c->args->out_fd);
	}
	if (stat(dest, &st) == 0) {
		dst.exists = true;
		dst.mode = st.st_mode;
		/* a link to a file: the file it leads to is replaced */
		real = S_ISDIR(st.st_mode) || cp_wants_directory(dest) ? NULL
		                                                       : realpath(dest, NULL);
		dst.path = real ?: dest;
	} else if (errno != ENOENT) {
		return err_sys(c->err, errno, "'%s'", dest);
	}
	if (cp_place(&src, &dst, &o->place, c->err) < 0 || send_order(c, o) < 0)
		return -1;
	return cp_unpack(AT_FDCWD, o->place.dir, o->archive ? UNPACK_KEEP_OWNER : 0, false, c->data,
	                 c->err);
}

static int pack_host(struct cp *c, const struct stat *st, const char *as)
{
	const char *path = c->args->source;
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(tar_write_to_fd, &c->data);
	struct pack_source src = {
		.parent_fd = AT_FDCWD, .as = as, .xattrs = c->args->archive, .top_fd = -1
	};
	AUTO_FD fd = -1;

	if (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode)) {
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(c->err, errno, "open '%s'", path);
		src.top_fd = fd;
	} else {
		src.name = path;
	}
	return cp_pack(&src, w, c->err);
}

static int to_container(struct cp *c, const struct report *r, struct order *o)
{
	const char *path = c->args->source;
	bool follow = c->args->follow || cp_wants_directory(path);
	struct cp_target dst = { r->exists ? r->path : c->path, r->exists, r->mode };
	struct cp_source src = { .path = path };
	struct stat st;

	if (!strcmp(path, "-")) {
		if (!r->exists || !S_ISDIR(r->mode))
			return err_set(c->err, E_INVALID,
			               "an archive goes into a directory, '%s' in the container is "
			               "none",
			               c->path);
		o->compressed = o->archive = true;
		snprintf(o->place.dir, sizeof(o->place.dir), "%s", c->path);
		return send_order(c, o) < 0 ? -1 : pump(c, c->args->in_fd, c->data);
	}
	if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->err, errno, "'%s'", path);
	src.mode = st.st_mode;
	if (cp_place(&src, &dst, &o->place, c->err) < 0 || send_order(c, o) < 0)
		return -1;
	return pack_host(c, &st, o->place.name);
}

static int exchange(struct cp *c)
{
	AUTO_FREE struct order *o = xcalloc(1, sizeof(*o));
	struct report r;
	struct err own = ERR_INIT, *err = c->err;
	int result;

	if (get_report(c, &r) < 0)
		return -1;
	o->archive = c->args->archive;
	c->err = &own;
	result = c->from ? from_container(c, &r, o) : to_container(c, &r, o);
	c->err = err;
	close(TAKE_FD(c->data)); /* the end of what we send, or: no more of it */
	shutdown(c->ctl, SHUT_WR);
	/* of two failures the one that came first is the cause: a broken pipe is the other's */
	if (result < 0 && own.sys != EPIPE) {
		*err = own;
		return -1;
	}
	return get_report(c, &r) < 0 ? -1 : result;
}

static int parse(struct cp *c, char **ret_container)
{
	char *src = NULL, *dst = NULL;
	const char *src_path, *dst_path;
	bool from = cp_split(c->args->source, &src, &src_path);
	bool to = cp_split(c->args->dest, &dst, &dst_path);

	*ret_container = from ? src : dst;
	if (from && to) {
		free(dst);
		return err_set(c->err, E_UNSUPPORTED,
		               "copying between containers is not supported");
	}
	if (!from && !to) {
		err_set(c->err, E_INVALID, "neither '%s' nor '%s' is in a container",
		        c->args->source, c->args->dest);
		return err_hint(c->err, "write CONTAINER:PATH");
	}
	c->from = from;
	c->path = from ? src_path : dst_path;
	if (!*c->path)
		return err_set(c->err, E_INVALID, "'%s': the path is empty",
		               from ? c->args->source : c->args->dest);
	return 0;
}

int container_cp(struct engine *e, const struct cp_args *args, struct err *err)
{
	struct cp c = { .e = e, .args = args, .ctl = -1, .data = -1, .err = err };
	AUTO_FREE char *container = NULL;
	void (*old)(int);
	pid_t pid = -1;
	int r;

	if (parse(&c, &container) < 0 || container_find(e, container, c.id, err) < 0)
		return -1;
	old = signal(SIGPIPE, SIG_IGN);
	r = start_child(&c, &pid);
	if (r == 0)
		r = exchange(&c);
	if (c.data >= 0)
		close(c.data);
	if (c.ctl >= 0)
		close(c.ctl);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	signal(SIGPIPE, old);
	return r;
}
