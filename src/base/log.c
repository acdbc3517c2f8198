#include "base/log.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/strbuf.h"

/* The only process-wide state of base: where this program's lines go. */
static struct {
	const char *program;
	int fd;
	enum log_level level;
	enum log_format format;
} sink = { "dhow", STDERR_FILENO, LOG_WARN, LOG_FORMAT_TEXT };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_init(const char *program, int fd, enum log_level level, enum log_format format)
{
	sink.program = program;
	sink.fd = fd;
	sink.level = level;
	sink.format = format;
}

int log_level_parse(const char *s, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(s, level_names[i]))
			continue;
		*ret = (enum log_level)i;
		return 0;
	}
	if (!strcmp(s, "warn"))
		return *ret = LOG_WARN, 0;
	if (!strcmp(s, "trace"))
		return *ret = LOG_DEBUG, 0;
	if (!strcmp(s, "fatal") || !strcmp(s, "panic"))
		return *ret = LOG_ERROR, 0;
	return -EINVAL;
}

static void add_json_string(struct strbuf *sb, const char *s)
{
	strbuf_addc(sb, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_addf(sb, "\\%c", c);
		else if (c < 0x20)
			strbuf_addf(sb, "\\u%04x", c);
		else
			strbuf_addc(sb, (char)c);
	}
	strbuf_addc(sb, '"');
}

void log_line(enum log_level level, const char *fmt, ...)
{
	AUTO_BUF text = STRBUF_INIT;
	AUTO_BUF line = STRBUF_INIT;
	va_list ap;

	if (level > sink.level)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (sink.format == LOG_FORMAT_JSON) {
		/* logrus' shape, which callers of runc and crun parse */
		strbuf_addf(&line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		add_json_string(&line, text.buf);
		strbuf_addf(&line, ",\"time\":\"%s\"}\n", time_format(clock_realtime_ns()).s);
	} else if (level == LOG_ERROR) {
		strbuf_addf(&line, "%s: %s\n", sink.program, text.buf);
	} else {
		strbuf_addf(&line, "%s: %s: %s\n", sink.program, level_names[level], text.buf);
	}
	/* a log that cannot be written has nowhere to complain */
	(void)fd_write_all(sink.fd, line.buf, line.len);
}

void log_err(const struct err *err)
{
	if (err->hint[0])
		log_error("%s (%s)", err->msg, err->hint);
	else
		log_error("%s", err->msg);
	if (err->file)
		log_debug("set at %s:%d, code %s", err->file, err->line, err_code_name(err->code));
}
