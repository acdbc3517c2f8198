/* dhow-monitor: set-up, the event loop, the end. See monitor.h. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAIN_TTY_MS 500

static const int ignored_signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
	                               SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU };

static char read_buf[MONITOR_DATA_MAX];

void source_set(const struct monitor *m, int fd, enum source_kind kind, uint32_t index,
                uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)kind << 32 | index };

	if (!events)
		epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(m->epoll_fd, EPOLL_CTL_MOD, fd, &ev) < 0 && errno == ENOENT)
		epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void output_close(struct monitor *m, int stream)
{
	source_set(m, m->out_fd[stream], SOURCE_OUT, (uint32_t)stream, 0);
	close(m->out_fd[stream]);
	m->out_fd[stream] = -1;
}

/* Returns whether there may be more at once. */
static bool output_read(struct monitor *m, int stream)
{
	ssize_t n = read(m->out_fd[stream], read_buf, sizeof(read_buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		output_close(m, stream);
		return false;
	}
	log_add(&m->log, stream, read_buf, (size_t)n);
	clients_output(m, stream ? MONITOR_STDERR : MONITOR_STDOUT, read_buf, (size_t)n);
	return true;
}

/* While a client is waited for, the container waits, too; see CLIENT_STALL_MS. */
static void output_throttle(struct monitor *m)
{
	bool pause = clients_held(m);

	if (pause == m->output_paused)
		return;
	m->output_paused = pause;
	for (int stream = 0; stream < 2; stream++)
		if (m->out_fd[stream] >= 0)
			source_set(m, m->out_fd[stream], SOURCE_OUT, (uint32_t)stream,
			           pause ? 0 : EPOLLIN);
}

/* Init is gone, so what is in the pipes is all there will be; a terminal tells its end. */
static void output_drain(struct monitor *m)
{
	if (m->slave_fd >= 0)
		close(m->slave_fd);
	for (int stream = 0; stream < 2; stream++) {
		struct pollfd pfd = { .fd = m->out_fd[stream], .events = POLLIN };

		while (m->out_fd[stream] >= 0) {
			if (output_read(m, stream))
				continue;
			if (!m->tty || m->out_fd[stream] < 0 || poll(&pfd, 1, DRAIN_TTY_MS) <= 0)
				break;
		}
	}
	log_flush_partial(&m->log, true);
}

static void handle(struct monitor *m, const struct epoll_event *ev)
{
	uint32_t index = (uint32_t)ev->data.u64;

	switch ((enum source_kind)(ev->data.u64 >> 32)) {
	case SOURCE_INIT:
		m->ended = true;
		break;
	case SOURCE_OUT:
		if (m->out_fd[index] >= 0)
			output_read(m, (int)index);
		break;
	case SOURCE_STDIN:
		input_pump(m);
		if (m->stdin_fd >= 0 && !input_pending(m))
			source_set(m, m->stdin_fd, SOURCE_STDIN, 0, 0);
		if (!input_pending(m))
			clients_input_taken(m);
		break;
	case SOURCE_LISTEN:
		clients_accept(m);
		break;
	case SOURCE_CLIENT:
		clients_event(m, index, ev->events);
		break;
	}
}

static int earlier(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void loop(struct monitor *m)
{
	struct epoll_event events[8];

	while (!m->ended) {
		int timeout_ms = log_flush_partial(&m->log, false);
		int n;

		timeout_ms = earlier(timeout_ms, clients_check_stalls(m));
		output_throttle(m);
		n = epoll_wait(m->epoll_fd, events, 8, timeout_ms);
		for (int i = 0; i < n; i++)
			handle(m, &events[i]);
	}
}

static void nonblock(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static bool set_up(struct monitor *m)
{
	for (size_t i = 0; i < sizeof(ignored_signals) / sizeof(ignored_signals[0]); i++)
		signal(ignored_signals[i], SIG_IGN);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd < 0)
		return false;
	nonblock(m->stdin_fd);
	/* With a slave of our own the master has no end before we say so: a container may close
	 * its terminal and open it again. */
	if (m->tty && m->out_fd[0] >= 0)
		m->slave_fd = ioctl(m->out_fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (int stream = 0; stream < 2; stream++) {
		nonblock(m->out_fd[stream]);
		if (m->out_fd[stream] >= 0)
			source_set(m, m->out_fd[stream], SOURCE_OUT, (uint32_t)stream, EPOLLIN);
	}
	nonblock(m->listen_fd);
	if (m->listen_fd >= 0)
		source_set(m, m->listen_fd, SOURCE_LISTEN, 0, EPOLLIN);
	source_set(m, m->pidfd, SOURCE_INIT, 0, EPOLLIN);
	clients_init(m);
	return true;
}

/* Most of the program was needed to start only. Its pages stay in the page cache; what the loop
 * needs is mapped in again at the first use, and the rest is not counted as ours for days. */
static void give_back_program_pages(void)
{
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);
	uintptr_t base = 0;

	for (size_t i = 0; i < count; i++)
		if (ph[i].p_type == PT_PHDR)
			base = (uintptr_t)ph - ph[i].p_vaddr;
	for (size_t i = 0; i < count; i++) {
		uintptr_t start = (base + ph[i].p_vaddr) & ~(uintptr_t)4095;
		uintptr_t end = (base + ph[i].p_vaddr + ph[i].p_memsz + 4095) & ~(uintptr_t)4095;

		if (ph[i].p_type == PT_LOAD && !(ph[i].p_flags & PF_W))
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
}

static int exit_code(const struct monitor *m)
{
	siginfo_t info = { 0 };

	while (waitid((idtype_t)P_PIDFD, (id_t)m->pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return 137;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int main(int argc, char **argv)
{
	static struct monitor monitor;
	struct monitor *m = &monitor;
	bool oom;
	int code;

	if (!config_parse(m, argc, argv) || !set_up(m)) {
		static const char text[] = "dhow-monitor: started by dhow, not by hand\n";

		(void)!write(2, text, sizeof(text) - 1);
		return 125;
	}
	prctl(PR_SET_NAME, "dhow-monitor");
	give_back_program_pages();
	loop(m);
	code = exit_code(m);
	output_drain(m);
	oom = oom_happened(m);
	/* Who is there to clean up needs no record: with --rm it would be removed at once. */
	if (!clients_will_clean(m))
		record_write(m, code, oom);
	clients_finish(m, (uint32_t)code | (oom ? MONITOR_EXIT_OOM : 0));
	if (clients_cleaned(m)) {
		remove_container_dir(m);
		return 0;
	}
	if (m->client_cleans)
		record_write(m, code, oom);
	for (size_t i = 0; i < sizeof(ignored_signals) / sizeof(ignored_signals[0]); i++)
		signal(ignored_signals[i], SIG_DFL);
	become_after_exit(m);
	return 125;
}
