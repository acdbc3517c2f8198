#include "engine/log-read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "engine/log-internal.h"

#define FILES_MAX 1001
#define BUF_BYTES (1u << 20) /* a record of the monitor is at most a tenth of this */
#define WAIT_MS   1000
#define POLL_MS   100

struct log_file {
	int fd;
	ino_t ino;
};

struct reader {
	const struct log_read_args *args;
	int dir_fd;
	struct log_file file; /* being read */
	char *buf;
	size_t used;
	bool skipping; /* inside a record that is too long to be ours */
	bool stopped;
	struct err *err;
};

static void file_close(struct log_file *f)
{
	if (f->fd >= 0)
		close(TAKE_FD(f->fd));
}

static void rotated_name(char name[32], int n)
{
	if (n)
		snprintf(name, 32, LOG_FILE ".%d", n);
	else
		snprintf(name, 32, LOG_FILE);
}

/* Return 1, 0 when there is no such file, or -1. */
static int file_open(struct reader *r, int n, struct log_file *ret)
{
	struct stat st;
	char name[32];
	int fd;

	rotated_name(name, n);
	fd = openat(r->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(r->err, errno, "open '%s'", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(r->err, E_CORRUPT, "'%s' is not a log file", name);
	}
	*ret = (struct log_file){ fd, st.st_ino };
	return 1;
}

/* The place of an open file among the rotated ones, or -1 when it is gone. Names may be missing
 * while a rotation is under way; as it moves files up only, looking upwards misses none. */
static int file_index(struct reader *r, ino_t ino)
{
	for (int n = 0; n < FILES_MAX; n++) {
		struct stat st;
		char name[32];

		rotated_name(name, n);
		if (fstatat(r->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ino)
			return n;
	}
	return -1;
}

/* ---- records ---- */

static void emit(struct reader *r, char *line, size_t len)
{
	const struct log_read_args *a = r->args;
	struct log_entry entry = { 0 };

	if (!log_parse(a->driver, line, len, &entry) || entry.time_ns < a->since_ns)
		return;
	if (a->until_ns && entry.time_ns > a->until_ns) {
		r->stopped = true;
		return;
	}
	if (a->emit(a->ctx, &entry))
		r->stopped = true;
}

static void consume(struct reader *r)
{
	char *at = r->buf, *end = r->buf + r->used, *newline;

	while (!r->stopped && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		if (!r->skipping)
			emit(r, at, (size_t)(newline - at));
		r->skipping = false;
		at = newline + 1;
	}
	r->used = (size_t)(end - at);
	memmove(r->buf, at, r->used);
	if (r->used == BUF_BYTES) {
		r->used = 0;
		r->skipping = true;
	}
}

/* Return 1 when something was read, 0 at the (present) end, or -1. */
static int read_more(struct reader *r)
{
	ssize_t n = read(r->file.fd, r->buf + r->used, BUF_BYTES - r->used);

	if (n < 0)
		return errno == EINTR ? 1 : err_sys(r->err, errno, "read the log");
	r->used += (size_t)n;
	consume(r);
	return n > 0;
}

static int read_to_end(struct reader *r)
{
	int more = 1;

	while (!r->stopped && more > 0)
		more = read_more(r);
	return more < 0 ? -1 : 0;
}

/* ---- what was there before ---- */

/* Find where the last *lines records of the file begin; count down *lines when it has fewer.
 * Return the offset, or -1. */
static off_t tail_offset(struct reader *r, const struct log_file *f, int64_t *lines)
{
	struct stat st;
	off_t at;
	int64_t found = 0;

	if (fstat(f->fd, &st) < 0)
		return err_sys(r->err, errno, "stat the log");
	/* the newline at the very end closes the last record */
	at = st.st_size;
	while (at > 0) {
		size_t chunk = at < (off_t)BUF_BYTES ? (size_t)at : BUF_BYTES;
		ssize_t n = pread(f->fd, r->buf, chunk, at - (off_t)chunk);

		if (n != (ssize_t)chunk)
			return err_sys(r->err, n < 0 ? errno : EIO, "read the log");
		for (size_t i = chunk; i > 0; i--) {
			off_t here = at - (off_t)chunk + (off_t)i - 1;

			if (r->buf[i - 1] != '\n' || here == st.st_size - 1)
				continue;
			if (++found == *lines) {
				*lines = 0;
				return here + 1;
			}
		}
		at -= (off_t)chunk;
	}
	*lines -= found + (st.st_size > 0);
	return 0;
}

/* Open the newest file first: a rotation meanwhile makes us see one twice, never miss one.
 * The result is newest first. */
static int open_all(struct reader *r, struct log_file **ret, size_t *ret_count)
{
	int64_t lines = r->args->tail;
	int missing = 0; /* one name after another is: one alone may just be renamed */

	for (int n = 0; n < FILES_MAX; n++) {
		struct log_file f;
		off_t offset = 0;
		int found = file_open(r, n, &f);

		if (found < 0)
			return -1;
		missing = found ? 0 : missing + 1;
		if (missing > 1)
			break;
		if (!found)
			continue;
		if (*ret_count && (*ret)[*ret_count - 1].ino == f.ino) {
			file_close(&f);
			continue;
		}
		VEC_PUSH(*ret, *ret_count, f);
		if (r->args->tail < 0)
			continue;
		offset = lines > 0 ? tail_offset(r, &f, &lines) : lseek(f.fd, 0, SEEK_END);
		if (offset < 0 || lseek(f.fd, offset, SEEK_SET) < 0)
			return -1;
		if (lines <= 0)
			break;
	}
	return 0;
}

static int read_existing(struct reader *r)
{
	AUTO_FREE struct log_file *files = NULL;
	size_t count = 0;
	int result = open_all(r, &files, &count);

	for (size_t i = count; i > 0; i--) {
		struct log_file f = files[i - 1];

		if (result < 0 || r->stopped) {
			file_close(&f);
			continue;
		}
		file_close(&r->file);
		r->file = f;
		r->used = 0;
		r->skipping = false;
		result = read_to_end(r);
	}
	return result;
}

/* ---- following ---- */

/* Go on to the file that came after ours. Return 1, or 0 when ours is the newest. */
static int next_file(struct reader *r)
{
	for (int tries = 0; tries < 100; tries++) {
		int n = r->file.fd < 0 ? -1 : file_index(r, r->file.ino);
		struct log_file next = { .fd = -1 };
		int found;

		if (n == 0)
			return 0;
		/* ours is gone: the oldest that is left */
		for (int k = FILES_MAX - 1; n < 0 && k >= 0; k--) {
			char name[32];

			rotated_name(name, k);
			if (faccessat(r->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				n = k + 1;
		}
		if (n <= 0)
			return 0;
		found = file_open(r, n - 1, &next);
		if (found < 0)
			return -1;
		/* rotated between the look and the opening: look again */
		if (!found || (r->file.fd >= 0 && file_index(r, r->file.ino) > n)) {
			file_close(&next);
			continue;
		}
		/* what was added to ours before it was put away */
		if (r->file.fd >= 0 && read_to_end(r) < 0) {
			file_close(&next);
			return -1;
		}
		file_close(&r->file);
		r->file = next;
		r->used = 0;
		r->skipping = false;
		return 1;
	}
	return 0;
}

static int drain(struct reader *r)
{
	int more = 1;

	while (more > 0 && !r->stopped) {
		if (r->file.fd >= 0 && read_to_end(r) < 0)
			return -1;
		more = r->stopped ? 0 : next_file(r);
	}
	return more;
}

static int follow(struct reader *r)
{
	AUTO_FD watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct fd_path path = fd_path(r->dir_fd);
	char events[4096] __attribute__((aligned(8)));
	int wait_ms = WAIT_MS;

	/* a user has only so many watches: without one we look more often */
	if (watch < 0 ||
	    inotify_add_watch(watch, path.s, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) <
	            0)
		wait_ms = POLL_MS;
	while (!r->stopped) {
		struct pollfd p = { .fd = watch, .events = POLLIN };
		/* asked before the last look: what was written before its end is read */
		int running = r->args->running ? r->args->running(r->args->ctx, r->err) : 0;

		if (running < 0 || drain(r) < 0)
			return -1;
		if (!running || r->stopped)
			break;
		if (r->args->until_ns && clock_realtime_ns() > r->args->until_ns)
			break;
		if (poll(&p, 1, wait_ms) < 0 && errno != EINTR)
			return err_sys(r->err, errno, "wait for the log");
		while (watch >= 0 && read(watch, events, sizeof(events)) > 0)
			;
	}
	return 0;
}

int log_read(int container_dir_fd, const struct log_read_args *args, struct err *err)
{
	AUTO_FREE char *buf = xmalloc(BUF_BYTES + 1);
	struct reader r = {
		.args = args,
		.dir_fd = container_dir_fd,
		.file = { .fd = -1 },
		.buf = buf,
		.err = err,
	};
	int result;

	if (args->driver == LOG_DRIVER_NONE)
		return err_set(err, E_UNSUPPORTED, "the log driver 'none' keeps nothing to read");
	result = read_existing(&r);
	if (result == 0 && args->follow && !r.stopped)
		result = follow(&r);
	file_close(&r.file);
	return result;
}

int log_time_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	AUTO_FREE char *longer = NULL;
	double seconds;
	int64_t ms;

	if (time_parse(text, ret_ns) == 0)
		return 0;
	/* without a zone it is UTC; without a time, midnight */
	longer = strchr(text, 'T') ? xasprintf("%sZ", text) : xasprintf("%sT00:00:00Z", text);
	if (time_parse(longer, ret_ns) == 0)
		return 0;
	if (text[strspn(text, "0123456789.")] == '\0' && parse_double(text, &seconds) == 0 &&
	    seconds < 9e9) {
		*ret_ns = (int64_t)(seconds * 1e9);
		return 0;
	}
	if (parse_duration_ms(text, &ms) < 0)
		return -EINVAL;
	*ret_ns = now_ns - ms * 1000000;
	return 0;
}
