#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar-internal.h"

#define COPY_BYTES ((size_t)256 << 10)

struct tar_writer {
	tar_write_fn write;
	void *ctx;
	uint64_t left; /* data bytes the entry still needs */
	uint64_t pad;
	struct strbuf pax;
	uint8_t header[TAR_BLOCK_SIZE];
};

struct tar_writer *tar_writer_new(tar_write_fn write, void *ctx)
{
	struct tar_writer *w = xcalloc(1, sizeof(*w));

	w->write = write;
	w->ctx = ctx;
	w->pax = STRBUF_INIT;
	return w;
}

void tar_writer_free(struct tar_writer *w)
{
	if (!w)
		return;
	strbuf_done(&w->pax);
	free(w);
}

int tar_write_to_fd(void *ctx, const void *data, size_t len, struct err *err)
{
	int r = fd_write_all(*(int *)ctx, data, len);

	return r < 0 ? err_sys(err, -r, "write the archive") : 0;
}

static int write_zeros(struct tar_writer *w, uint64_t len, struct err *err)
{
	static const uint8_t zeros[8 * TAR_BLOCK_SIZE];

	while (len) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (w->write(w->ctx, zeros, n, err) < 0)
			return -1;
		len -= n;
	}
	return 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself */
static void pax_record(struct strbuf *pax, const char *key, const char *key2, const void *value,
                       size_t len)
{
	size_t rest = 1 + strlen(key) + strlen(key2) + 1 + len + 1, total = rest;
	char digits[24];

	for (;;) {
		size_t n = (size_t)snprintf(digits, sizeof(digits), "%zu", total);

		if (n + rest == total)
			break;
		total = n + rest;
	}
	strbuf_addf(pax, "%s %s%s=", digits, key, key2);
	strbuf_add(pax, value, len);
	strbuf_addc(pax, '\n');
}

static void pax_number(struct strbuf *pax, const char *key, long long v)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld", v);

	pax_record(pax, key, "", text, (size_t)n);
}

static void put_octal(uint8_t *h, size_t offset, size_t len, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)len - 1, (unsigned long long)v);
	memcpy(h + offset, text, len - 1);
}

/* v in the header when it fits len - 1 octal digits, else 0 there and a pax record */
static void put_number(struct tar_writer *w, size_t offset, size_t len, const char *key, uint64_t v)
{
	bool fits = v >> (3 * (len - 1)) == 0;

	put_octal(w->header, offset, len, fits ? v : 0);
	if (!fits)
		pax_number(&w->pax, key, (long long)v);
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80 || (unsigned char)*s < 0x20)
			return false;
	return true;
}

/* name[100] and prefix[155], joined by the slash between them; false when it does not fit */
static bool put_name(uint8_t *h, const char *name)
{
	size_t len = strlen(name);

	if (!is_plain(name))
		return false;
	if (len <= 100) {
		memcpy(h, name, len);
		return true;
	}
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t prefix = (size_t)(slash - name), rest = len - prefix - 1;

		if (prefix > 155)
			break;
		if (prefix && rest && rest <= 100) {
			memcpy(h, slash + 1, rest);
			memcpy(h + 345, name, prefix);
			return true;
		}
	}
	return false;
}

static void put_text(uint8_t *h, size_t offset, size_t len, const char *text)
{
	size_t n = strlen(text);

	memcpy(h + offset, text, n < len ? n : len);
}

static void put_checksum(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += h[i];
	put_octal(h, 148, 7, sum);
	h[154] = '\0';
}

static void put_magic(uint8_t *h)
{
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
}

static int write_pax(struct tar_writer *w, int64_t mtime_s, struct err *err)
{
	uint8_t h[TAR_BLOCK_SIZE] = { 0 };

	memcpy(h, "PaxHeaders/entry", 16);
	put_octal(h, 100, 8, 0644);
	put_octal(h, 108, 8, 0);
	put_octal(h, 116, 8, 0);
	put_octal(h, H_SIZE, w->pax.len);
	put_octal(h, 136, 12, mtime_s >= 0 && mtime_s >> 33 == 0 ? (uint64_t)mtime_s : 0);
	h[H_TYPE] = 'x';
	put_magic(h);
	put_checksum(h);
	if (w->write(w->ctx, h, sizeof(h), err) < 0 ||
	    w->write(w->ctx, w->pax.buf, w->pax.len, err) < 0)
		return -1;
	return write_zeros(w, (TAR_BLOCK_SIZE - w->pax.len % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE, err);
}

static void put_time(struct tar_writer *w, const struct tar_entry *e)
{
	bool fits = e->mtime_s >= 0 && e->mtime_s >> 33 == 0;
	int64_t s = e->mtime_s;
	char text[48];
	int n;

	put_octal(w->header, 136, 12, fits ? (uint64_t)s : 0);
	if (fits && !e->mtime_ns)
		return;
	/* nanoseconds count upwards, the text counts away from zero */
	if (s < 0 && e->mtime_ns)
		n = snprintf(text, sizeof(text), "-%lld.%09u", (long long)-(s + 1),
		             1000000000 - e->mtime_ns);
	else if (e->mtime_ns)
		n = snprintf(text, sizeof(text), "%lld.%09u", (long long)s, e->mtime_ns);
	else
		n = snprintf(text, sizeof(text), "%lld", (long long)s);
	pax_record(&w->pax, "mtime", "", text, (size_t)n);
}

int tar_writer_entry(struct tar_writer *w, const struct tar_entry *e, struct err *err)
{
	static const char flags[TAR_TYPE_MAX] = {
		[TAR_FILE] = '0',  [TAR_HARDLINK] = '1', [TAR_SYMLINK] = '2', [TAR_CHAR] = '3',
		[TAR_BLOCK] = '4', [TAR_DIR] = '5',      [TAR_FIFO] = '6',
	};
	uint64_t size = e->type == TAR_FILE ? e->size : 0;
	AUTO_BUF name = STRBUF_INIT;
	uint8_t *h = w->header;

	if (w->left)
		return err_set(err, E_INTERNAL, "archive entry begun before the data of the last");
	memset(h, 0, TAR_BLOCK_SIZE);
	strbuf_reset(&w->pax);
	strbuf_adds(&name, *e->name ? e->name : ".");
	if (e->type == TAR_DIR)
		strbuf_addc(&name, '/');
	if (!put_name(h, name.buf)) {
		pax_record(&w->pax, "path", "", name.buf, name.len);
		memcpy(h, "long-name", 9);
	}
	if (e->link && *e->link) {
		put_text(h, H_LINK, e->link);
		if (strlen(e->link) > 100 || !is_plain(e->link))
			pax_record(&w->pax, "linkpath", "", e->link, strlen(e->link));
	}
	put_octal(h, 100, 8, e->mode & 07777);
	put_number(w, 108, 8, "uid", e->uid);
	put_number(w, 116, 8, "gid", e->gid);
	put_number(w, H_SIZE, "size", size);
	put_time(w, e);
	h[H_TYPE] = (uint8_t)flags[e->type];
	put_magic(h);
	if (e->uname && strlen(e->uname) < 32 && is_plain(e->uname))
		put_text(h, 265, 31, e->uname);
	if (e->gname && strlen(e->gname) < 32 && is_plain(e->gname))
		put_text(h, 297, 31, e->gname);
	put_octal(h, 329, 8, e->dev_major);
	put_octal(h, 337, 8, e->dev_minor);
	for (size_t i = 0; i < e->n_xattrs; i++)
		pax_record(&w->pax, "SCHILY.xattr.", e->xattrs[i].name, e->xattrs[i].value,
		           e->xattrs[i].len);
	if (w->pax.len && write_pax(w, e->mtime_s, err) < 0)
		return -1;
	put_checksum(h);
	w->left = size;
	w->pad = (TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE;
	return w->write(w->ctx, h, TAR_BLOCK_SIZE, err);
}

int tar_writer_data(struct tar_writer *w, const void *data, size_t len, struct err *err)
{
	uint64_t pad = w->pad;

	if (len > w->left)
		return err_set(err, E_INTERNAL, "more data than the archive entry has");
	if (len && w->write(w->ctx, data, len, err) < 0)
		return -1;
	w->left -= len;
	if (w->left)
		return 0;
	w->pad = 0;
	return write_zeros(w, pad, err);
}

int tar_writer_file(struct tar_writer *w, const char *name, const void *data, size_t len,
                    int64_t mtime_s, struct err *err)
{
	struct tar_entry e = {
		.type = TAR_FILE,
		.name = name,
		.link = "",
		.mode = 0644,
		.size = len,
		.mtime_s = mtime_s,
	};

	if (tar_writer_entry(w, &e, err) < 0)
		return -1;
	return tar_writer_data(w, data, len, err);
}

int tar_writer_copy_fd(struct tar_writer *w, int fd, uint64_t len, struct err *err)
{
	AUTO_FREE uint8_t *buf = NULL;

	if (!len)
		return 0;
	buf = xmalloc(COPY_BYTES);
	while (len) {
		size_t want = len < COPY_BYTES ? (size_t)len : COPY_BYTES;
		ssize_t n = read(fd, buf, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read");
		if (n == 0) {
			/* it shrank while it was read */
			memset(buf, 0, want);
			n = (ssize_t)want;
		}
		if (tar_writer_data(w, buf, (size_t)n, err) < 0)
			return -1;
		len -= (uint64_t)n;
	}
	return 0;
}

int tar_writer_finish(struct tar_writer *w, struct err *err)
{
	if (w->left)
		return err_set(err, E_INTERNAL, "the archive's last entry is not complete");
	return write_zeros(w, 2 * TAR_BLOCK_SIZE, err);
}
