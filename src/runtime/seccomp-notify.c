/* Seccomp notification: from installing the filter to the agent that answers (runtime-spec,
 * config-linux.md, "The Container Process State").
 *
 * The filter hands out its listener only to the process that installs it, and from then on any
 * system call of that process may be denied, or wait for an answer of an agent that does not have
 * the listener yet. So a second thread is made just before: the filter does not hold for it, it
 * shares the descriptors, and it passes the listener on while the first one, without a system call,
 * waits for it. execve ends it.
 *
 *   new process                                caller
 *   'n' and the listener, then      ----->     connects to listenerPath, sends the state
 *   "PATH\0METADATA\0"
 *                                   <-----     'n' it was sent */
#include "runtime/internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"

#define STACK_BYTES   65536
#define PAYLOAD_MAX   65536
#define POLL_INTERVAL 100000 /* ns */

enum relay_result { RELAY_RUNS, RELAY_SENT, RELAY_FAILED };

struct relay {
	const struct oci_seccomp *seccomp;
	int report_fd;
	atomic_int listener_fd; /* -1: not yet; -2: there will be none */
	atomic_int result;
};

static bool relay_send(const struct relay *r, int listener_fd)
{
	const char *metadata = r->seccomp->listener_metadata ? r->seccomp->listener_metadata : "";
	size_t path_len = strlen(r->seccomp->listener_path) + 1, len = strlen(metadata) + 1;
	struct iovec iov[2] = { { r->seccomp->listener_path, path_len },
		                { (char *)metadata, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	char answer = 0;

	return sync_send_fd(r->report_fd, 'n', listener_fd) == 0 &&
	       sendmsg(r->report_fd, &msg, MSG_NOSIGNAL) == (ssize_t)(path_len + len) &&
	       recv(r->report_fd, &answer, 1, 0) == 1 && answer == 'n';
}

static int relay_main(void *arg)
{
	const struct timespec pause = { .tv_nsec = POLL_INTERVAL };
	struct relay *r = arg;
	int fd;

	while ((fd = atomic_load(&r->listener_fd)) == -1)
		nanosleep(&pause, NULL);
	atomic_store(&r->result, fd >= 0 && relay_send(r, fd) ? RELAY_SENT : RELAY_FAILED);
	return 0;
}

int seccomp_notify_install(const struct process_context *c, const struct sock_fprog *prog,
                           int report_fd, struct err *err)
{
	struct relay r = { .seccomp = c->seccomp, .report_fd = report_fd, .listener_fd = -1 };
	char *stack = xmalloc(STACK_BYTES);
	long fd;
	int saved;

	/* A thread in all but its own errno and stack: it never returns to this program. */
	if (clone(relay_main, stack + STACK_BYTES,
	          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
	          &r) < 0) {
		saved = errno;
		free(stack);
		return err_sys(err, saved, "linux.seccomp: make a thread");
	}
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, c->filter_flags, prog);
	saved = errno;
	atomic_store(&r.listener_fd, fd < 0 ? -2 : (int)fd);
	while (atomic_load(&r.result) == RELAY_RUNS)
		;
	if (fd < 0)
		return err_sys(err, saved, "linux.seccomp: install the filter");
	return r.result == RELAY_SENT
	               ? 0
	               : err_set(err, E_INTERRUPTED, "linux.seccomp: no agent has the listener");
}

/* ---- the caller's side ---- */

static char *format_state(const struct runtime_state *st, pid_t pid, const char *metadata)
{
	AUTO_FREE char *state = runtime_state_format(st, false);
	AUTO_JSON *obj = json_object_new_object();
	struct json_object *fds, *parsed = NULL;

	json_add_str(obj, "ociVersion", OCI_VERSION);
	fds = json_add_array(obj, "fds");
	json_object_array_add(fds, json_object_new_string("seccompFd"));
	json_add_i64(obj, "pid", pid);
	if (*metadata)
		json_add_str(obj, "metadata", metadata);
	if (json_parse("state", state, strlen(state), &parsed, ERR_IGNORE) == 0)
		json_object_object_add(obj, "state", parsed);
	return xstrdup(json_text(obj, false));
}

static int send_to_agent(const char *path, const char *state, int listener_fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)state, .iov_len = strlen(state) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, E_INVALID,
		               "linux.seccomp.listenerPath: '%s' is longer than %zu bytes", path,
		               sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err_sys(err, errno,
		        "linux.seccomp.listenerPath: failed to connect with seccomp agent at '%s'",
		        path);
		return err_hint(err, "is the agent running?");
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &listener_fd, sizeof(int));
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (n < 0 ||
	    (n < (ssize_t)iov.iov_len && fd_write_all(fd, state + n, iov.iov_len - (size_t)n) < 0))
		return err_sys(err, errno, "linux.seccomp.listenerPath: send to '%s'", path);
	return 0;
}

static int forward(int sync_fd, int listener_fd, const struct exec_wait *w, struct err *err)
{
	AUTO_FREE char *payload = xmalloc(PAYLOAD_MAX + 1);
	AUTO_FREE char *state = NULL;
	AUTO_STATE st = { 0 };
	ssize_t n = recv(sync_fd, payload, PAYLOAD_MAX, MSG_TRUNC);
	const char *metadata;

	if (listener_fd < 0 || n < 0)
		return err_set(err, E_INTERNAL, "the seccomp listener did not arrive");
	if (n > PAYLOAD_MAX)
		return err_set(err, E_LIMIT,
		               "linux.seccomp.listenerMetadata: is longer than %d bytes",
		               PAYLOAD_MAX);
	payload[n] = '\0';
	metadata = payload + strlen(payload) + (n > 0);
	if (runtime_state(w->state_root_fd, w->id, &st, err) < 0)
		return -1;
	/* As the specification's example and the other runtimes have it. */
	if (w->exec_pid <= 0)
		st.status = RUNTIME_CREATING;
	state = format_state(&st, w->exec_pid > 0 ? w->exec_pid : st.pid, metadata);
	if (send_to_agent(payload, state, listener_fd, err) < 0)
		return -1;
	return sync_tell(sync_fd, 'n', err);
}

int sync_wait_exec(int sync_fd, const struct exec_wait *w, struct err *err)
{
	for (;;) {
		int fd = -1, r = sync_receive(sync_fd, &fd, err);

		if (r != 'n')
			return r < 0 ? -1 : 0;
		r = forward(sync_fd, fd, w, err);
		if (fd >= 0)
			close(fd);
		if (r < 0)
			return -1;
	}
}
