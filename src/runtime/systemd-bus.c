#include "runtime/systemd-bus.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"

#define TIMEOUT_MS    30000
#define SYSTEMD       "org.freedesktop.systemd1"
#define SYSTEMD_PATH  "/org/freedesktop/systemd1"
#define MANAGER       "org.freedesktop.systemd1.Manager"
#define BROKER        "org.freedesktop.DBus"
#define HEAD_SIZE     16
#define AUTH_LINE_MAX 512

void bus_done(struct bus *b)
{
	if (b->fd >= 0)
		close(b->fd);
	strbuf_done(&b->in);
	*b = BUS_INIT;
}

/* ---- bytes ---- */

static int wait_for(struct bus *b, short events, struct err *err)
{
	int64_t left = b->deadline_ms - clock_monotonic_ms();
	struct pollfd p = { .fd = b->fd, .events = events };
	int r = left > 0 ? poll(&p, 1, (int)left) : 0;

	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	return r < 0 ? err_sys(err, errno, "wait for systemd")
	             : err_set(err, E_TIMEOUT, "systemd did not answer within %d s",
	                       TIMEOUT_MS / 1000);
}

static int send_all(struct bus *b, const char *data, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = send(b->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			if (wait_for(b, POLLOUT, err) < 0)
				return -1;
		} else if (n < 0 && errno != EINTR) {
			return err_sys(err, errno, "send to systemd");
		} else if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* More bytes behind those that are there. */
static int receive(struct bus *b, struct err *err)
{
	char room[4096];
	ssize_t n;

	if (wait_for(b, POLLIN, err) < 0)
		return -1;
	n = recv(b->fd, room, sizeof(room), MSG_DONTWAIT);
	if (n == 0)
		return err_set(err, E_IO, "systemd closed the connection");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(err, errno, "receive from systemd");
	if (n > 0)
		strbuf_add(&b->in, room, (size_t)n);
	return 0;
}

static void drop(struct bus *b, size_t n)
{
	memmove(b->in.buf, b->in.buf + n, b->in.len - n);
	strbuf_trunc(&b->in, b->in.len - n);
}

static int next_message(struct bus *b, struct dbus_message *ret, struct err *err)
{
	size_t size = 0;

	drop(b, b->used);
	b->used = 0;
	for (;;) {
		if (b->in.len >= HEAD_SIZE) {
			size = dbus_message_size(b->in.buf);
			if (!size)
				return err_set(err, E_CORRUPT, "systemd sent no D-Bus message");
			if (b->in.len >= size)
				break;
		}
		if (receive(b, err) < 0)
			return -1;
	}
	b->used = size;
	return dbus_parse(b->in.buf, size, ret, err);
}

/* ---- connecting ---- */

static int connect_to(const char *path, bool abstract)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	AUTO_FD fd = -1;

	if (len + 1 >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path + abstract, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* "unix:path=/run/user/1000/bus,guid=...;tcp:...": the first unix address. */
static int connect_address(const char *address)
{
	AUTO_FREE char *copy = xstrdup(address);
	char *save = NULL, *save_key = NULL;

	for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		if (strncmp(one, "unix:", 5) != 0)
			continue;
		for (char *key = strtok_r(one + 5, ",", &save_key); key;
		     key = strtok_r(NULL, ",", &save_key)) {
			if (strncmp(key, "path=", 5) == 0)
				return connect_to(key + 5, false);
			if (strncmp(key, "abstract=", 9) == 0)
				return connect_to(key + 9, true);
		}
	}
	return -ENOENT;
}

/* The bus that the environment names; else systemd's own socket, which saves the daemon between;
 * else the usual bus. */
static int open_socket(struct bus *b, bool user)
{
	const char *address = getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
	const char *dir = user ? getenv("XDG_RUNTIME_DIR") : "/run";
	AUTO_FREE char *own = xasprintf("%s/systemd/private", dir ? dir : "");
	AUTO_FREE char *usual =
		user ? xasprintf("%s/bus", dir ? dir : "") : xstrdup("/run/dbus/system_bus_socket");

	b->brokered = true;
	if (address && *address)
		return b->fd = connect_address(address);
	if (!dir || !*dir)
		return -ENOENT;
	b->fd = connect_to(own, false);
	b->brokered = b->fd < 0;
	return b->fd >= 0 ? b->fd : (b->fd = connect_to(usual, false));
}

/* SASL EXTERNAL without a name: the socket's credentials say who we are, also from within a user
 * namespace, where our own idea of our uid is another. */
static int authenticate(struct bus *b, struct err *err)
{
	static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

	if (send_all(b, hello, sizeof(hello) - 1, err) < 0)
		return -1;
	for (;;) {
		char *end = memmem(b->in.buf, b->in.len, "\r\n", 2);
		bool ok, fine;

		if (!end && b->in.len > AUTH_LINE_MAX)
			return err_set(err, E_CORRUPT, "systemd sent no answer that D-Bus knows");
		if (!end) {
			if (receive(b, err) < 0)
				return -1;
			continue;
		}
		ok = strncmp(b->in.buf, "OK", 2) == 0;
		fine = ok || strncmp(b->in.buf, "DATA", 4) == 0;
		drop(b, (size_t)(end - b->in.buf) + 2);
		if (ok)
			return 0;
		if (!fine)
			return err_set(err, E_PERM, "systemd does not take us for who we are");
	}
}

static void begin(struct bus *b, struct dbus_writer *w, const char *interface, const char *method,
                  const char *signature)
{
	bool broker = strcmp(interface, BROKER) == 0;
	struct dbus_call call = {
		.destination = !b->brokered ? NULL
		               : broker     ? BROKER
		                            : SYSTEMD,
		.path = broker ? "/org/freedesktop/DBus" : SYSTEMD_PATH,
		.interface = interface,
		.member = method,
		.signature = signature,
		.serial = ++b->serial,
	};

	dbus_begin(w, &call);
}

int bus_connect(struct bus *b, bool user, struct err *err)
{
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;

	b->deadline_ms = clock_monotonic_ms() + TIMEOUT_MS;
	if (open_socket(b, user) < 0) {
		int e = -b->fd;

		b->fd = -1;
		err_sys(err, e > 1 ? e : ENOENT, "connect to %s",
		        user ? "the user's systemd" : "systemd");
		return err_hint(err, user ? "a login session is needed (XDG_RUNTIME_DIR), or "
		                            "--cgroup-manager cgroupfs"
		                          : "is it what runs this machine? else use "
		                            "--cgroup-manager cgroupfs");
	}
	if (authenticate(b, err) < 0)
		return -1;
	if (!b->brokered)
		return 0;
	begin(b, &w, BROKER, "Hello", "");
	return bus_call(b, &w, &m, err);
}

/* ---- calling ---- */

void bus_begin(struct bus *b, struct dbus_writer *w, const char *method, const char *signature)
{
	begin(b, w, MANAGER, method, signature);
}

static int refused(const struct dbus_message *m, struct err *err)
{
	struct dbus_reader r = dbus_read_body(m);
	const char *name = m->error_name ? m->error_name : "", *text = "";
	const char *last = strrchr(name, '.');
	enum err_code code = E_IO;

	if (m->signature && m->signature[0] == 's')
		(void)dbus_read_string(&r, &text);
	last = last ? last + 1 : name;
	if (strcmp(last, "UnitExists") == 0)
		code = E_EXISTS;
	else if (strcmp(last, "NoSuchUnit") == 0)
		code = E_NOT_FOUND;
	else if (strcmp(last, "AccessDenied") == 0 ||
	         strcmp(last, "InteractiveAuthorizationRequired") == 0)
		code = E_PERM;
	return err_set(err, code, "systemd: %.300s", *text ? text : name);
}

int bus_call(struct bus *b, struct dbus_writer *w, struct dbus_message *ret, struct err *err)
{
	uint32_t serial = b->serial;

	dbus_end(w);
	if (send_all(b, w->buf.buf, w->buf.len, err) < 0)
		return -1;
	for (;;) {
		if (next_message(b, ret, err) < 0)
			return -1;
		if (ret->reply_serial != serial)
			continue;
		if (ret->type == DBUS_ERROR)
			return refused(ret, err);
		if (ret->type == DBUS_RETURN)
			return 0;
	}
}

int bus_watch_jobs(struct bus *b, struct err *err)
{
	AUTO_DBUS_WRITER w = DBUS_WRITER_INIT;
	struct dbus_message m;

	if (!b->brokered)
		return 0; /* its own socket carries every signal */
	begin(b, &w, BROKER, "AddMatch", "s");
	dbus_put_string(&w, "type='signal',sender='" SYSTEMD "',path='" SYSTEMD_PATH
	                    "',interface='" MANAGER "',member='JobRemoved'");
	if (bus_call(b, &w, &m, err) < 0)
		return -1;
	bus_begin(b, &w, "Subscribe", "");
	return bus_call(b, &w, &m, err);
}

int bus_wait_job(struct bus *b, const struct dbus_message *reply, struct err *err)
{
	struct dbus_reader r = dbus_read_body(reply);
	AUTO_FREE char *wanted = NULL;
	struct dbus_message m;
	const char *job;

	if (dbus_read_string(&r, &job) < 0)
		return err_set(err, E_CORRUPT, "systemd named no job");
	wanted = xstrdup(job);
	for (;;) {
		const char *unit, *result;
		uint32_t id;

		if (next_message(b, &m, err) < 0)
			return -1;
		if (m.type != DBUS_SIGNAL || !m.member || strcmp(m.member, "JobRemoved") != 0)
			continue;
		r = dbus_read_body(&m);
		if (dbus_read_u32(&r, &id) < 0 || dbus_read_string(&r, &job) < 0 ||
		    dbus_read_string(&r, &unit) < 0 || dbus_read_string(&r, &result) < 0)
			return err_set(err, E_CORRUPT, "systemd sent a broken signal");
		if (strcmp(job, wanted) != 0)
			continue;
		if (strcmp(result, "done") == 0)
			return 0;
		return err_set(err, E_IO, "systemd: the job of unit '%.200s' ended as '%.50s'",
		               unit, result);
	}
}
