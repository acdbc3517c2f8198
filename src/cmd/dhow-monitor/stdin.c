/* Input from attached clients to the container: one buffer, because all clients share one stdin.
 * While it holds bytes the container did not take, no client is read (clients.c), so a container
 * that does not read holds back who types, and nobody else. */
#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static char in_buf[MONITOR_DATA_MAX];

static void input_close(struct monitor *m)
{
	m->in_used = m->in_sent = 0;
	if (m->stdin_fd < 0 || m->tty)
		return; /* a terminal has no end of file but its EOF character */
	source_set(m, m->stdin_fd, SOURCE_STDIN, 0, 0);
	close(m->stdin_fd);
	m->stdin_fd = -1;
}

bool input_pending(const struct monitor *m)
{
	return m->in_sent < m->in_used;
}

void input_pump(struct monitor *m)
{
	while (input_pending(m) && m->stdin_fd >= 0) {
		ssize_t n = write(m->stdin_fd, in_buf + m->in_sent, m->in_used - m->in_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* nobody will read it any more */
			input_close(m);
			return;
		}
		m->in_sent += (size_t)n;
	}
	m->in_used = m->in_sent = 0;
	if (m->in_eof)
		input_close(m);
}

void input_add(struct monitor *m, const char *data, size_t len)
{
	if (m->stdin_fd < 0 || len > sizeof(in_buf) - m->in_used)
		return;
	memcpy(in_buf + m->in_used, data, len);
	m->in_used += len;
	input_pump(m);
}

void input_end(struct monitor *m)
{
	if (!m->stdin_once)
		return;
	m->in_eof = true;
	if (!input_pending(m))
		input_close(m);
}
