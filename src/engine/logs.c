/* `dhow logs`. */
#include <errno.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/log-read.h"

struct logs {
	struct engine *e;
	const char *id;
	const struct logs_args *args;
	bool in_line[2]; /* the stream's last entry was a piece of a line */
	int failed;      /* errno of a write */
	/* output waits here until the other stream has something to say, or nothing more comes */
	int out;
	size_t used;
	char buf[1 << 16];
};

static void flush(struct logs *l)
{
	int r = l->used && !l->failed ? fd_write_all(l->out, l->buf, l->used) : 0;

	l->used = 0;
	if (r < 0)
		l->failed = -r;
}

static void put(struct logs *l, int fd, const char *data, size_t len)
{
	if (fd != l->out || len > sizeof(l->buf) - l->used)
		flush(l);
	l->out = fd;
	while (len > sizeof(l->buf)) {
		memcpy(l->buf, data, sizeof(l->buf));
		l->used = sizeof(l->buf);
		flush(l);
		data += sizeof(l->buf);
		len -= sizeof(l->buf);
	}
	memcpy(l->buf + l->used, data, len);
	l->used += len;
}

static int running(void *ctx, struct err *err)
{
	struct logs *l = ctx;
	struct container_row row = { 0 };
	struct err e = ERR_INIT;
	int r;

	flush(l);
	if (container_get(l->e, l->id, &row, &e) < 0) {
		if (e.code == E_NOT_FOUND) /* removed: --rm */
			return 0;
		*err = e;
		return -1;
	}
	r = row.status == CONTAINER_RUNNING || row.status == CONTAINER_PAUSED ||
	    row.status == CONTAINER_RESTARTING;
	container_row_done(&row);
	return r;
}

static int print(void *ctx, const struct log_entry *entry)
{
	struct logs *l = ctx;
	int fd = entry->stream == 2 ? l->args->err_fd : l->args->out_fd;
	bool *in_line = &l->in_line[entry->stream == 2];

	if (l->args->timestamps && !*in_line) {
		struct time_text t = time_format(entry->time_ns);

		put(l, fd, t.s, strlen(t.s));
		put(l, fd, " ", 1);
	}
	put(l, fd, entry->data, entry->len);
	*in_line = entry->len && entry->data[entry->len - 1] != '\n';
	return l->failed != 0;
}

int container_logs(struct engine *e, const char *ref, const struct logs_args *args, struct err *err)
{
	struct container_options opts;
	AUTO_FREE struct logs *l = xcalloc(1, sizeof(*l));
	struct log_config config;
	struct log_read_args read_args;
	char id[ID_LEN + 1];
	AUTO_FD dir = -1;
	int r;

	if (container_find(e, ref, id, err) < 0)
		return -1;
	dir = container_dir_open(e, id, err);
	if (dir < 0)
		return -1;
	container_options_init(&opts);
	r = container_options_load(e, id, &opts, err);
	if (r == 0)
		r = log_config_parse(&opts, &config, err);
	container_options_done(&opts);
	if (r < 0)
		return -1;
	l->e = e;
	l->args = args;
	l->id = id;
	read_args = (struct log_read_args){
		.driver = config.driver,
		.tail = args->tail,
		.since_ns = args->since_ns,
		.until_ns = args->until_ns,
		.follow = args->follow,
		.running = running,
		.emit = print,
		.ctx = l,
	};
	r = log_read(dir, &read_args, err);
	flush(l);
	if (r < 0)
		return err_ctx(err, "logs of '%s'", ref);
	/* a reader that went away (| head) is no failure */
	if (l->failed && l->failed != EPIPE)
		return err_sys(err, l->failed, "write");
	return 0;
}
