/* The log of a container: docker's json-file or Kubernetes' CRI text, one record per line of
 * output. Rotated by renaming, so a reader that has the old file open still gets all of it. */
#include "monitor.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME   "ctr.log"
#define LINE_MAX_B 16384u
/* A record of one full line, every byte escaped to six. */
#define RECORD_MAX (LINE_MAX_B * 6 + 128)

static char line_buf[2][LINE_MAX_B];
/* Records of one batch, written at once. Only the pages that are used are ever touched. */
static char out_buf[RECORD_MAX + 32768];
static size_t out_used;

static const char *const stream_name[2] = { "stdout", "stderr" };

void log_open(struct log_writer *log)
{
	struct stat st;

	log->fd = -1;
	log->size = 0;
	if (log->kind == LOG_NONE)
		return;
	log->fd = openat(log->dir_fd, LOG_NAME,
	                 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd >= 0 && fstat(log->fd, &st) == 0)
		log->size = (uint64_t)st.st_size;
}

static char *rotated_name(char *buf, unsigned n)
{
	char *p = text_str(buf, LOG_NAME);

	if (n) {
		*p++ = '.';
		p = text_u64(p, n);
	}
	*p = '\0';
	return buf;
}

static void rotate(struct log_writer *log)
{
	char from[32], to[32];

	if (log->max_files <= 1) {
		/* no name to keep the old one under: a reader keeps it by its descriptor */
		unlinkat(log->dir_fd, LOG_NAME, 0);
	} else {
		for (unsigned n = log->max_files - 1; n >= 1; n--)
			renameat(log->dir_fd, rotated_name(from, n - 1), log->dir_fd,
			         rotated_name(to, n));
	}
	if (log->fd >= 0)
		close(log->fd);
	log_open(log);
}

/* The records in out_buf go to the file, whole or not at all. */
static void write_batch(struct log_writer *log)
{
	size_t len = out_used;

	out_used = 0;
	if (!len)
		return;
	if (log->fd < 0)
		log_open(log); /* made when there is something to write */
	if (log->max_bytes && log->size && log->size + len > log->max_bytes)
		rotate(log);
	if (log->fd < 0 || fd_write_all(log->fd, out_buf, len) < 0) {
		log->lost++;
		if (log->fd >= 0 && ftruncate(log->fd, (off_t)log->size) < 0)
			log_open(log); /* odd, but the next record decides */
		return;
	}
	log->size += len;
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none, -1 when it may become one with
 * more bytes. */
static int utf8_len(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first_lo, first_hi, second_lo, second_hi, len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		if (s[0] < forms[f].first_lo || s[0] > forms[f].first_hi)
			continue;
		for (size_t i = 1; i < forms[f].len; i++) {
			unsigned char lo = i == 1 ? forms[f].second_lo : 0x80;
			unsigned char hi = i == 1 ? forms[f].second_hi : 0xbf;

			if (i >= n)
				return -1;
			if (s[i] < lo || s[i] > hi)
				return 0;
		}
		return forms[f].len;
	}
	return 0;
}

/* How many bytes at the end are the beginning of a character whose rest is still to come. */
static size_t utf8_unfinished(const char *s, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)s[n - back];

		if ((c & 0xc0) == 0x80)
			continue;
		return utf8_len((const unsigned char *)s + n - back, back) < 0 ? back : 0;
	}
	return 0;
}

static char *json_escape(char *p, const char *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)data;

	for (size_t i = 0; i < len;) {
		int n = utf8_len(s + i, len - i);

		if (n <= 0) { /* what is no text cannot be kept in JSON: docker's choice too */
			p = text_str(p, "\\ufffd");
			i++;
			continue;
		}
		if (n > 1) {
			memcpy(p, s + i, (size_t)n);
			p += n;
		} else if (s[i] == '"' || s[i] == '\\') {
			*p++ = '\\';
			*p++ = (char)s[i];
		} else if (s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
			*p++ = '\\';
			*p++ = s[i] == '\n' ? 'n' : s[i] == '\r' ? 'r' : 't';
		} else if (s[i] < 0x20) {
			p = text_str(p, "\\u00");
			*p++ = hex[s[i] >> 4];
			*p++ = hex[s[i] & 15];
		} else {
			*p++ = (char)s[i];
		}
		i += (size_t)n;
	}
	return p;
}

/* One record: a line without its newline, or a piece of one. */
static void add_record(struct log_writer *log, int stream, const char *data, size_t len,
                       bool partial, int64_t time_ns)
{
	/* rotate between records, so that no file is much above the bound */
	bool full = log->max_bytes && log->size + out_used + len > log->max_bytes;
	char *p;

	if (out_used > sizeof(out_buf) - RECORD_MAX || (full && out_used))
		write_batch(log);
	p = out_buf + out_used;
	if (log->kind == LOG_JSON_FILE) {
		p = text_str(p, "{\"log\":\"");
		p = json_escape(p, data, len);
		p = text_str(p, partial ? "\",\"stream\":\"" : "\\n\",\"stream\":\"");
		p = text_str(p, stream_name[stream]);
		p = text_str(p, "\",\"time\":\"");
		p = text_time(p, time_ns);
		p = text_str(p, "\"}\n");
	} else {
		p = text_time(p, time_ns);
		*p++ = ' ';
		p = text_str(p, stream_name[stream]);
		p = text_str(p, partial ? " P " : " F ");
		memcpy(p, data, len);
		p += len;
		*p++ = '\n';
	}
	out_used = (size_t)(p - out_buf);
}

/* The buffered beginning of a line becomes a partial record; an unfinished character stays. */
static void flush_line(struct log_writer *log, int stream, bool all, int64_t time_ns)
{
	struct log_line *line = &log->line[stream];
	size_t keep = all ? 0 : utf8_unfinished(line_buf[stream], line->used);

	if (line->used > keep)
		add_record(log, stream, line_buf[stream], line->used - keep, true, time_ns);
	memmove(line_buf[stream], line_buf[stream] + line->used - keep, keep);
	line->used = keep;
}

void log_add(struct log_writer *log, int stream, const char *data, size_t len)
{
	struct log_line *line = &log->line[stream];
	int64_t time_ns;

	if (log->kind == LOG_NONE)
		return;
	time_ns = now_wall_ns();
	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;

		if (newline && !line->used && n <= LINE_MAX_B) {
			add_record(log, stream, data, n, false, time_ns);
		} else {
			if (n > LINE_MAX_B - line->used) {
				n = LINE_MAX_B - line->used;
				newline = NULL;
			}
			if (!line->used)
				line->since_ms = now_ms();
			memcpy(line_buf[stream] + line->used, data, n);
			line->used += n;
			if (newline) {
				add_record(log, stream, line_buf[stream], line->used, false,
				           time_ns);
				line->used = 0;
			} else if (line->used == LINE_MAX_B) {
				flush_line(log, stream, false, time_ns);
			}
		}
		n += newline != NULL;
		data += n;
		len -= n;
	}
	write_batch(log);
}

int log_flush_partial(struct log_writer *log, bool all)
{
	uint64_t now = now_ms();
	int next_ms = -1;

	for (int stream = 0; stream < 2; stream++) {
		struct log_line *line = &log->line[stream];
		uint64_t age = now - line->since_ms;

		if (!line->used)
			continue;
		if (all || age >= LOG_PARTIAL_MS) {
			flush_line(log, stream, all, now_wall_ns());
			line->since_ms = now;
			/* what is left is half a character: its other half, or the end, moves it */
		} else if (next_ms < 0 || LOG_PARTIAL_MS - (int)age < next_ms) {
			next_ms = LOG_PARTIAL_MS - (int)age;
		}
	}
	write_batch(log);
	return next_ms;
}
