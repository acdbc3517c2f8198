/* Importing a layer: compressed bytes -> inflate -> sha256, tar reading and writing, in two
 * threads of the import beside the caller's. Buffers are few and fixed, so memory does not grow
 * with the layer (its tree does, about 150 bytes an entry). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "image/layers-internal.h"

#define IN_SLOTS        4
#define IN_BYTES        ((size_t)128 << 10)
#define OUT_SLOTS       3
#define OUT_BYTES       ((size_t)1 << 20)
#define SLOTS_MAX       4
#define SLOT_ALIGN      4096
#define WRITEBACK_BYTES ((uint64_t)16 << 20) /* start writing to the disk this often */
/* From here on the page cache is passed by: filling it costs more than the disk does, and would
 * push out what is in use. What came before stays cached, so small layers are warm. */
#define DIRECT_FROM_BYTES ((uint64_t)16 << 20)

/* A bounded queue of buffers between one producer and one consumer. */
struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t *slots[SLOTS_MAX];
	size_t len[SLOTS_MAX];
	size_t n_slots, slot_bytes;
	size_t head, count; /* oldest filled slot, number of filled ones */
	bool is_closed;     /* the producer is done */
	bool is_aborted;
};

struct layer_import {
	struct layer_store *store;
	char *what;
	struct digest expected; /* DIGEST_NONE: any */
	layer_progress_fn progress;
	void *progress_ctx;
	enum layer_mode mode;

	char tmp[LAYER_TMP_MAX];
	int tmp_fd; /* holds the lock */
	int tar_fd;
	bool is_committed;

	struct ring in, out;
	pthread_t inflate_thread, write_thread;
	bool has_threads;

	pthread_mutex_t err_lock;
	bool has_failed;
	struct err first_err;

	/* the inflating thread's */
	struct inflater *inf;
	/* the writing thread's */
	struct digester *digester;
	struct tar_reader *tar;
	struct tree *tree;
	uint64_t written, written_back;
	bool is_direct, no_direct; /* writing past the page cache */
	struct digest diff_id;

	uint8_t *slot; /* of `in`, being filled by push */
	size_t slot_len;
};

/* --- ring --- */

static void ring_init(struct ring *r, size_t n_slots, size_t slot_bytes)
{
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->n_slots = n_slots;
	r->slot_bytes = slot_bytes;
	for (size_t i = 0; i < n_slots; i++)
		if (posix_memalign((void **)&r->slots[i], SLOT_ALIGN, slot_bytes) != 0)
			abort();
}

static void ring_done(struct ring *r)
{
	for (size_t i = 0; i < r->n_slots; i++)
		free(r->slots[i]);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
}

/* An empty buffer to fill; NULL when aborted. */
static uint8_t *ring_acquire(struct ring *r)
{
	uint8_t *slot = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->count == r->n_slots && !r->is_aborted)
		pthread_cond_wait(&r->changed, &r->lock);
	if (!r->is_aborted)
		slot = r->slots[(r->head + r->count) % r->n_slots];
	pthread_mutex_unlock(&r->lock);
	return slot;
}

static void ring_submit(struct ring *r, size_t len)
{
	pthread_mutex_lock(&r->lock);
	r->len[(r->head + r->count) % r->n_slots] = len;
	r->count++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void ring_close(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_closed = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void ring_abort(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_aborted = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* The oldest filled buffer; NULL at the end or when aborted. */
static const uint8_t *ring_peek(struct ring *r, size_t *ret_len, bool *ret_aborted)
{
	const uint8_t *slot = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->count && !r->is_closed && !r->is_aborted)
		pthread_cond_wait(&r->changed, &r->lock);
	*ret_aborted = r->is_aborted;
	if (r->count && !r->is_aborted) {
		slot = r->slots[r->head];
		*ret_len = r->len[r->head];
	}
	pthread_mutex_unlock(&r->lock);
	return slot;
}

static void ring_release(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->head = (r->head + 1) % r->n_slots;
	r->count--;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* --- threads --- */

/* The first failure is the one that is reported; everybody stops. */
static void import_fail(struct layer_import *im, const struct err *e)
{
	pthread_mutex_lock(&im->err_lock);
	if (!im->has_failed)
		im->first_err = *e;
	im->has_failed = true;
	pthread_mutex_unlock(&im->err_lock);
	ring_abort(&im->in);
	ring_abort(&im->out);
}

static int import_error(struct layer_import *im, struct err *err)
{
	pthread_mutex_lock(&im->err_lock);
	*err = im->has_failed ? im->first_err : ERR_INIT;
	pthread_mutex_unlock(&im->err_lock);
	if (err->code == E_OK)
		return err_set(err, E_INTERNAL, "%s: the import was stopped", im->what);
	return err_ctx(err, "%s", im->what);
}

/* Inflate one buffer of input into as many of output as it takes. *out and *fill carry over. */
static int inflate_piece(struct layer_import *im, const uint8_t *p, size_t len, uint8_t **out,
                         size_t *fill, struct err *err)
{
	for (;;) {
		size_t n;

		if (!*out) {
			*out = ring_acquire(&im->out);
			*fill = 0;
			if (!*out)
				return 1;
		}
		if (inflater_run(im->inf, &p, &len, *out + *fill, OUT_BYTES - *fill, &n, err) < 0)
			return -1;
		*fill += n;
		if (*fill == OUT_BYTES) {
			ring_submit(&im->out, *fill);
			*out = NULL;
		}
		if (n == 0 && len == 0)
			return 0;
	}
}

static void *inflate_main(void *arg)
{
	struct layer_import *im = arg;
	struct err e = ERR_INIT;
	uint8_t *out = NULL;
	const uint8_t *p;
	size_t len, fill = 0;
	bool aborted;

	while ((p = ring_peek(&im->in, &len, &aborted))) {
		int r = inflate_piece(im, p, len, &out, &fill, &e);

		if (r < 0)
			import_fail(im, &e);
		if (r != 0)
			return NULL;
		ring_release(&im->in);
	}
	if (aborted)
		return NULL;
	if (inflater_end(im->inf, &e) < 0) {
		import_fail(im, &e);
		return NULL;
	}
	if (out && fill)
		ring_submit(&im->out, fill);
	ring_close(&im->out);
	return NULL;
}

/* O_DIRECT needs whole blocks: all pieces but the last are. */
static void choose_direct(struct layer_import *im, size_t len)
{
	bool want = im->written >= DIRECT_FROM_BYTES && len == OUT_BYTES && !im->no_direct;
	int flags;

	if (want == im->is_direct)
		return;
	flags = fcntl(im->tar_fd, F_GETFL);
	flags = want ? flags | O_DIRECT : flags & ~O_DIRECT;
	if (fcntl(im->tar_fd, F_SETFL, flags) < 0)
		im->no_direct = true;
	else
		im->is_direct = want;
}

static int write_out(struct layer_import *im, const uint8_t *p, size_t len)
{
	int r;

	choose_direct(im, len);
	r = fd_write_all(im->tar_fd, p, len);
	if (r == -EINVAL && im->is_direct) {
		/* this file system only said yes */
		im->no_direct = true;
		choose_direct(im, len);
		r = fd_write_all(im->tar_fd, p, len);
	}
	return r;
}

static int write_piece(struct layer_import *im, const uint8_t *p, size_t len, struct err *err)
{
	int r;

	digester_update(im->digester, p, len);
	if (tar_reader_push(im->tar, p, len, err) < 0)
		return -1;
	r = write_out(im, p, len);
	if (r < 0) {
		err_sys(err, -r, "write %s", format_size(im->written + len).s);
		return r == -ENOSPC || r == -EDQUOT
		               ? err_hint(err, "free some space, or remove images with 'dhow rmi'")
		               : -1;
	}
	im->written += len;
	/* the disk works while we do, and the sync at the end has little left */
	if (!im->is_direct && im->written - im->written_back >= WRITEBACK_BYTES) {
		sync_file_range(im->tar_fd, (off_t)im->written_back,
		                (off_t)(im->written - im->written_back), SYNC_FILE_RANGE_WRITE);
		im->written_back = im->written;
	}
	if (im->progress)
		im->progress(im->progress_ctx, im->written);
	return 0;
}

static void *write_main(void *arg)
{
	struct layer_import *im = arg;
	struct err e = ERR_INIT;
	const uint8_t *p;
	bool aborted;
	size_t len;

	while ((p = ring_peek(&im->out, &len, &aborted))) {
		if (write_piece(im, p, len, &e) < 0) {
			import_fail(im, &e);
			return NULL;
		}
		ring_release(&im->out);
	}
	if (aborted)
		return NULL;
	digester_finish(im->digester, &im->diff_id);
	if (im->expected.alg != DIGEST_NONE && !digest_equal(&im->expected, &im->diff_id)) {
		err_set(&e, E_CORRUPT, "its content has the diffID %s, not %s",
		        digest_format(&im->diff_id).s, digest_format(&im->expected).s);
		import_fail(im, &e);
	} else if (tar_reader_end(im->tar, &e) < 0) {
		import_fail(im, &e);
	}
	return NULL;
}

static int add_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct layer_import *im = ctx;

	return tree_add(im->tree, e, err);
}

static int start_threads(struct layer_import *im, struct err *err)
{
	int r = pthread_create(&im->inflate_thread, NULL, inflate_main, im);

	if (r)
		return err_sys(err, r, "start a thread");
	r = pthread_create(&im->write_thread, NULL, write_main, im);
	if (r) {
		ring_abort(&im->in);
		ring_abort(&im->out);
		pthread_join(im->inflate_thread, NULL);
		return err_sys(err, r, "start a thread");
	}
	im->has_threads = true;
	return 0;
}

static void join_threads(struct layer_import *im)
{
	if (!im->has_threads)
		return;
	pthread_join(im->inflate_thread, NULL);
	pthread_join(im->write_thread, NULL);
	im->has_threads = false;
}

int layer_import_begin(struct layer_store *store, const struct layer_import_args *args,
                       struct layer_import **ret, struct err *err)
{
	static const struct tar_handler handler = { .entry = add_entry };
	struct inflate_limits limits = { .max_output_bytes = args->max_bytes };
	enum digest_alg alg = args->expected_diff_id ? args->expected_diff_id->alg : DIGEST_SHA256;
	AUTO(layer_import_freep) struct layer_import *im = NULL;
	enum layer_mode mode;

	if (layer_store_mode(store, &mode, NULL, err) < 0)
		return -1;
	im = xcalloc(1, sizeof(*im));
	im->store = store;
	im->mode = mode;
	im->tmp_fd = im->tar_fd = -1;
	im->what = xstrdup(args->what ? args->what : "layer");
	if (args->expected_diff_id)
		im->expected = *args->expected_diff_id;
	im->progress = args->progress;
	im->progress_ctx = args->progress_ctx;
	pthread_mutex_init(&im->err_lock, NULL);
	ring_init(&im->in, IN_SLOTS, IN_BYTES);
	ring_init(&im->out, OUT_SLOTS, OUT_BYTES);
	im->inf = inflater_new(args->compression, &limits);
	im->digester = digester_new(alg);
	im->tree = tree_new();
	im->tar = tar_reader_new(&handler, im, NULL);
	if (layer_tmp_make(store, im->tmp, &im->tmp_fd, err) < 0)
		return err_ctx(err, "%s", im->what);
	im->tar_fd = openat(im->tmp_fd, LAYER_TAR, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (im->tar_fd < 0)
		return err_sys(err, errno, "%s: create '%s'", im->what, LAYER_TAR);
	if (start_threads(im, err) < 0)
		return err_ctx(err, "%s", im->what);
	*ret = TAKE_PTR(im);
	return 0;
}

int layer_import_push(struct layer_import *im, const void *data, size_t len, struct err *err)
{
	const uint8_t *p = data;

	while (len) {
		size_t n;

		if (!im->slot) {
			im->slot = ring_acquire(&im->in);
			im->slot_len = 0;
			if (!im->slot)
				return import_error(im, err);
		}
		n = IN_BYTES - im->slot_len;
		if (n > len)
			n = len;
		memcpy(im->slot + im->slot_len, p, n);
		im->slot_len += n;
		p += n;
		len -= n;
		if (im->slot_len == IN_BYTES) {
			ring_submit(&im->in, im->slot_len);
			im->slot = NULL;
		}
	}
	return 0;
}

/* Make it durable under its final name. Return 1 when the store had it already. */
static int publish(struct layer_import *im, struct err *err)
{
	if (fsync(im->tmp_fd) < 0)
		return err_sys(err, errno, "sync the layer");
	if (renameat(im->store->fd, im->tmp, im->store->fd, digest_hex(&im->diff_id).s) < 0) {
		if (errno == EEXIST || errno == ENOTEMPTY)
			return 1;
		return err_sys(err, errno, "rename the layer");
	}
	im->is_committed = true;
	if (fsync(im->store->fd) < 0)
		return err_sys(err, errno, "sync the layer store");
	return 0;
}

static int finish(struct layer_import *im, struct layer_info *ret, struct err *err)
{
	uint64_t form_bytes;
	int r;

	*ret = (struct layer_info){
		.diff_id = im->diff_id,
		.tar_bytes = im->written,
		.entries = tar_reader_entries(im->tar),
		.compression = inflater_compression(im->inf),
	};
	if (layer_store_has(im->store, &im->diff_id)) {
		struct layer_info known;

		if (layer_store_info(im->store, &im->diff_id, &known, err) < 0)
			return -1;
		ret->disk_bytes = known.disk_bytes;
		return 0;
	}
	tree_freeze(im->tree);
	if (layer_form_write(im->tree, im->mode, im->tmp_fd, im->tar_fd, im->written, &form_bytes,
	                     err) < 0)
		return -1;
	if (fsync(im->tar_fd) < 0)
		return err_sys(err, errno, "sync '%s'", LAYER_TAR);
	ret->disk_bytes = im->written + form_bytes;
	r = publish(im, err);
	ret->is_new = r == 0;
	return r < 0 ? -1 : 0;
}

int layer_import_commit(struct layer_import *im, struct layer_info *ret, struct err *err)
{
	struct layer_info info;

	if (im->slot && im->slot_len)
		ring_submit(&im->in, im->slot_len);
	im->slot = NULL;
	ring_close(&im->in);
	join_threads(im);
	if (im->has_failed)
		return import_error(im, err);
	if (finish(im, &info, err) < 0)
		return err_ctx(err, "%s", im->what);
	*ret = info;
	return 0;
}

void layer_import_free(struct layer_import *im)
{
	if (!im)
		return;
	ring_abort(&im->in);
	ring_abort(&im->out);
	join_threads(im);
	if (im->tmp_fd >= 0 && !im->is_committed)
		tree_remove_at(im->store->fd, im->tmp, ERR_IGNORE);
	if (im->tar_fd >= 0)
		close(im->tar_fd);
	if (im->tmp_fd >= 0)
		close(im->tmp_fd);
	inflater_free(im->inf);
	digester_free(im->digester);
	tar_reader_free(im->tar);
	tree_free(im->tree);
	ring_done(&im->in);
	ring_done(&im->out);
	pthread_mutex_destroy(&im->err_lock);
	free(im->what);
	free(im);
}

int layer_import_fd(struct layer_store *store, const struct layer_import_args *args, int fd,
                    struct layer_info *ret, struct err *err)
{
	AUTO(layer_import_freep) struct layer_import *im = NULL;
	AUTO_FREE uint8_t *buf = NULL;

	if (layer_import_begin(store, args, &im, err) < 0)
		return -1;
	buf = xmalloc(IN_BYTES);
	for (;;) {
		ssize_t n = read(fd, buf, IN_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s: read", im->what);
		if (n == 0)
			break;
		if (layer_import_push(im, buf, (size_t)n, err) < 0)
			return -1;
	}
	return layer_import_commit(im, ret, err);
}
