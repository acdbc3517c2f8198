#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/inflate.h"
#include "codec/tar.h"
#include "image/archive-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CHUNK     (256u << 10)
#define LINKS_MAX 8

/* --- the table of members --- */

struct indexer {
	struct archive_source *src;
};

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct archive_source *src = ((struct indexer *)ctx)->src;
	struct archive_member m = { 0 };

	if (e->type == TAR_SYMLINK || e->type == TAR_HARDLINK) {
		const char *slash = strrchr(e->name, '/');
		AUTO_FREE char *joined = NULL;

		/* a symbolic link starts at its own folder, a hard link at the root */
		if (e->type == TAR_SYMLINK && slash && e->link[0] != '/')
			joined = xasprintf("%.*s/%s", (int)(slash - e->name), e->name, e->link);
		m.link = joined ? TAKE_PTR(joined) : xstrdup(e->link);
	} else if (e->type != TAR_FILE || e->is_sparse) {
		return 0;
	}
	m.name = xstrdup(e->name);
	m.offset = e->data_offset;
	m.size = e->size;
	VEC_PUSH(src->members, src->n, m);
	return 0;
}

/* Equal names stay in the order of the tar: find() takes the last. */
static int by_name(const void *a, const void *b)
{
	const struct archive_member *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	if (c)
		return c;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int index_tar(struct archive_source *src, const volatile sig_atomic_t *cancel,
                     struct err *err)
{
	static const struct tar_handler handler = { .entry = on_entry };
	struct tar_limits limits = { .max_entries = ARCHIVE_MEMBERS_MAX };
	struct indexer indexer = { src };
	AUTO(tar_reader_freep) struct tar_reader *reader = NULL;
	AUTO_FREE char *buf = xmalloc(CHUNK);
	off_t offset = 0;

	reader = tar_reader_new(&handler, &indexer, &limits);
	for (;;) {
		ssize_t n = pread(src->fd, buf, CHUNK, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the archive");
		if (n == 0)
			break;
		if (image_cancelled(cancel, err) < 0 ||
		    tar_reader_push(reader, buf, (size_t)n, err) < 0)
			return -1;
		offset += n;
	}
	if (tar_reader_end(reader, err) < 0)
		return -1;
	if (src->n)
		qsort(src->members, src->n, sizeof(*src->members), by_name);
	return 0;
}

static const struct archive_member *find_exact(const struct archive_source *src, const char *name)
{
	size_t low = 0, high = src->n;

	/* the first one behind the name; the one before it is the last of that name */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(src->members[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || strcmp(src->members[low - 1].name, name) != 0)
		return NULL;
	return &src->members[low - 1];
}

/* "a/b/../c" -> "a/c"; NULL when it leads out. Caller frees. */
static char *fold(const char *name)
{
	AUTO_STRV parts = STRV_INIT;
	AUTO_BUF out = STRBUF_INIT;
	size_t n = 0;

	strv_split(&parts, name, '/');
	for (size_t i = 0; i < parts.len; i++) {
		char *part = parts.items[i];

		if (!*part || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (n == 0)
				return NULL;
			n--;
			continue;
		}
		/* kept ones move to the front; what they replace is freed with the vector */
		parts.items[i] = parts.items[n];
		parts.items[n++] = part;
	}
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&out, "%s%s", i ? "/" : "", parts.items[i]);
	return strbuf_take(&out);
}

static const struct archive_member *find(const struct archive_source *src, const char *name)
{
	AUTO_FREE char *at = fold(name);

	for (int i = 0; at && i < LINKS_MAX; i++) {
		const struct archive_member *m = find_exact(src, at);

		if (!m || !m->link)
			return m;
		free(at);
		at = fold(m->link);
	}
	return NULL;
}

/* --- opening --- */

static int drain(int fd, struct inflater *inf, int out_fd, const volatile sig_atomic_t *cancel,
                 struct err *err)
{
	AUTO_FREE uint8_t *in = xmalloc(CHUNK);
	AUTO_FREE char *out = xmalloc(CHUNK);

	for (;;) {
		ssize_t n = read(fd, in, CHUNK);
		const uint8_t *p = in;
		size_t left, got;

		if (image_cancelled(cancel, err) < 0)
			return -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the archive");
		if (n == 0)
			return inflater_end(inf, err);
		left = (size_t)n;
		do {
			int r;

			if (inflater_run(inf, &p, &left, out, CHUNK, &got, err) < 0)
				return -1;
			r = fd_write_all(out_fd, out, got);
			if (r < 0)
				return err_sys(err, -r, "write the archive to the image store");
		} while (left || got == CHUNK);
	}
}

/* Into a file without a name, which is gone when it is closed. */
static int spool(struct image_store *store, int fd, const volatile sig_atomic_t *cancel,
                 int *ret_fd, struct err *err)
{
	AUTO(inflater_freep) struct inflater *inf = inflater_new(COMPRESSION_AUTO, NULL);
	AUTO_FD out = openat(store->ingest_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (out < 0) { /* not every file system can */
		char name[ID_SHORT_LEN + 1];

		id_random_short(name);
		out = openat(store->ingest_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0)
			return err_sys(err, errno, "write to the image store");
		unlinkat(store->ingest_fd, name, 0);
	}
	if (drain(fd, inf, out, cancel, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(out);
	return 0;
}

static bool is_plain_file(int fd)
{
	uint8_t magic[6] = { 0 };
	ssize_t n;

	/* a file that is read from its middle on is a stream to us */
	if (lseek(fd, 0, SEEK_CUR) != 0)
		return false;
	n = pread(fd, magic, sizeof(magic), 0);
	return n <= 0 || compression_detect(magic, (size_t)n) == COMPRESSION_NONE;
}

static int open_source(struct image_store *store, int fd, const volatile sig_atomic_t *cancel,
                       struct archive_source *src, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "read the archive");
	src->is_dir = S_ISDIR(st.st_mode);
	if (src->is_dir || (S_ISREG(st.st_mode) && is_plain_file(fd))) {
		src->fd = fd_dup(fd);
		if (src->fd < 0)
			return err_sys(err, -src->fd, "read the archive");
	} else if (spool(store, fd, cancel, &src->fd, err) < 0) {
		return -1;
	}
	return src->is_dir ? 0 : index_tar(src, cancel, err);
}

int archive_source_open(struct image_store *store, int fd, const volatile sig_atomic_t *cancel,
                        struct archive_source *ret, struct err *err)
{
	struct archive_source src = { .fd = -1 };

	if (open_source(store, fd, cancel, &src, err) < 0) {
		archive_source_done(&src);
		return -1;
	}
	*ret = src;
	return 0;
}

void archive_source_done(struct archive_source *src)
{
	auto_close_(&src->fd);
	for (size_t i = 0; i < src->n; i++) {
		free(src->members[i].name);
		free(src->members[i].link);
	}
	free(src->members);
	*src = (struct archive_source){ .fd = -1 };
}

/* --- reading --- */

static int open_beneath(int dir_fd, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

bool archive_source_has(const struct archive_source *src, const char *name)
{
	AUTO_FD fd = -1;

	if (!src->is_dir)
		return find(src, name) != NULL;
	fd = open_beneath(src->fd, name);
	return fd >= 0;
}

int archive_source_get(const struct archive_source *src, const char *name, int *ret_fd,
                       uint64_t *ret_offset, uint64_t *ret_size, struct err *err)
{
	const struct archive_member *m;
	AUTO_FD fd = -1;
	struct stat st;

	if (src->is_dir) {
		fd = open_beneath(src->fd, name);
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(err, errno, "archive: open '%.200s'", name);
		if (!S_ISREG(st.st_mode))
			return err_set(err, E_CORRUPT, "archive: '%.200s' is not a file", name);
		*ret_offset = 0;
		*ret_size = (uint64_t)st.st_size;
	} else {
		m = find(src, name);
		if (!m)
			return err_set(err, E_NOT_FOUND, "the archive has no file '%.200s'", name);
		fd = fd_dup(src->fd);
		if (fd < 0)
			return err_sys(err, -fd, "read the archive");
		*ret_offset = m->offset;
		*ret_size = m->size;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int archive_source_text(const struct archive_source *src, const char *name, size_t max_bytes,
                        char **ret, size_t *ret_len, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FD fd = -1;
	uint64_t offset, size;

	if (archive_source_get(src, name, &fd, &offset, &size, err) < 0)
		return -1;
	if (size > max_bytes)
		return err_set(err, E_LIMIT, "archive: '%.200s' is larger than %zu bytes", name,
		               max_bytes);
	text = xmalloc((size_t)size + 1);
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, text + done, (size_t)size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "archive: read '%.200s'", name);
		if (n == 0)
			return err_set(err, E_CORRUPT, "archive: '%.200s' is cut off", name);
		done += (size_t)n;
	}
	text[size] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = (size_t)size;
	return 0;
}

/* --- layers --- */

static int feed(struct layer_import *import, const struct archive_layer *layer,
                struct digester *digester, struct err *err)
{
	AUTO_FREE char *buf = xmalloc(CHUNK);
	uint64_t done = 0;

	for (;;) {
		size_t want = CHUNK;
		ssize_t n;

		if (image_cancelled(layer->cancel, err) < 0)
			return -1;
		if (layer->offset >= 0 && layer->size - done < want)
			want = (size_t)(layer->size - done);
		if (want == 0)
			return 0;
		n = layer->offset < 0
		            ? read(layer->fd, buf, want)
		            : pread(layer->fd, buf, want, (off_t)((uint64_t)layer->offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s: read", layer->what);
		if (n == 0 && layer->offset < 0)
			return 0;
		if (n == 0)
			return err_set(err, E_CORRUPT, "%s: it is cut off", layer->what);
		if (digester)
			digester_update(digester, buf, (size_t)n);
		if (layer_import_push(import, buf, (size_t)n, err) < 0)
			return -1;
		done += (size_t)n;
		image_report(layer->progress, IMAGE_STAGE_IMPORT, layer->id, done, layer->size,
		             NULL);
	}
}

int archive_import_layer(struct image_store *store, const struct archive_layer *layer,
                         struct layer_info *ret, struct err *err)
{
	struct layer_import_args args = { .what = layer->what,
		                          .expected_diff_id = layer->expected,
		                          .max_bytes = image_disk_left(store) };
	AUTO(layer_import_freep) struct layer_import *import = NULL;
	AUTO(digester_freep) struct digester *digester = NULL;
	struct digest got;

	if (layer->blob)
		digester = digester_new(layer->blob->alg);
	if (layer_import_begin(store->layers, &args, &import, err) < 0)
		return -1;
	if (feed(import, layer, digester, err) < 0) {
		image_disk_hint(args.max_bytes, err);
		return -1;
	}
	if (digester) {
		digester_finish(digester, &got);
		if (!digest_equal(layer->blob, &got))
			return err_set(err, E_CORRUPT, "%s: its bytes have the digest %s",
			               layer->what, digest_format(&got).s);
	}
	if (layer_import_commit(import, ret, err) < 0) {
		image_disk_hint(args.max_bytes, err);
		return -1;
	}
	image_report(layer->progress, IMAGE_STAGE_DONE, layer->id, layer->size, layer->size, NULL);
	return 0;
}
