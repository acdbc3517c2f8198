#include "codec/inflate.h"

#include <dlfcn.h>
#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "base/num.h"
#include "base/xalloc.h"

#define MAX_OUTPUT_DEFAULT   ((uint64_t)1 << 40)
#define MAX_RATIO_DEFAULT    400
#define RATIO_FREE_BYTES     ((uint64_t)2 << 30) /* no ratio is checked below this output */
#define ZSTD_WINDOW_LOG_MAX  27                  /* 128 MiB */
#define MAGIC_MAX            4
#define STEP_INPUT_MAX_BYTES ((size_t)1 << 30) /* zlib and ISA-L count in 32 bits */

/* The functions of ISA-L in use; .ok is false when the library is not there. */
static struct {
	bool ok, avoid;
	void (*init)(struct inflate_state *state);
	void (*reset)(struct inflate_state *state);
	int (*run)(struct inflate_state *state);
} isal;

enum gzip_place {
	GZIP_IN_MEMBER,
	GZIP_BETWEEN, /* a member ended: another one, zeros, or the end */
	GZIP_PADDING, /* zeros after the last member */
};

struct inflater {
	enum compression compression;
	struct inflate_limits limits;
	uint64_t total_in, total_out;
	uint8_t magic[MAGIC_MAX]; /* bytes held back while the format is not known */
	size_t magic_len, magic_done;
	/* gzip */
	enum gzip_place place;
	struct inflate_state *isal; /* one of these two */
	z_stream *zlib;
	/* zstd */
	ZSTD_DCtx *zstd;
	bool zstd_between_frames;
};

static void isal_load(void)
{
	void *lib = isal.avoid ? NULL : dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return;
	*(void **)&isal.init = dlsym(lib, "isal_inflate_init");
	*(void **)&isal.reset = dlsym(lib, "isal_inflate_reset");
	*(void **)&isal.run = dlsym(lib, "isal_inflate");
	isal.ok = isal.init && isal.reset && isal.run;
}

static bool has_isal(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, isal_load);
	return isal.ok;
}

void inflate_avoid_isal(void)
{
	isal.avoid = true;
}

const char *inflate_gzip_backend(void)
{
	return has_isal() ? "isa-l" : "zlib";
}

static const char *const names[COMPRESSION_MAX] = {
	[COMPRESSION_AUTO] = "unknown",
	[COMPRESSION_NONE] = "none",
	[COMPRESSION_GZIP] = "gzip",
	[COMPRESSION_ZSTD] = "zstd",
};

const char *compression_name(enum compression c)
{
	return c < COMPRESSION_MAX ? names[c] : "unknown";
}

/* COMPRESSION_AUTO: what is there fits the beginning of some magic number. */
static enum compression detect_partial(const uint8_t *p, size_t len)
{
	static const struct {
		enum compression compression;
		uint8_t magic[MAGIC_MAX], mask0;
		size_t len;
	} magics[] = {
		{ COMPRESSION_GZIP, { 0x1f, 0x8b }, 0xff, 2 },
		{ COMPRESSION_ZSTD, { 0x28, 0xb5, 0x2f, 0xfd }, 0xff, 4 },
		/* a skippable frame may come first, as in zstd:chunked */
		{ COMPRESSION_ZSTD, { 0x50, 0x2a, 0x4d, 0x18 }, 0xf0, 4 },
	};
	bool partial = false;

	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		size_t n = len < magics[i].len ? len : magics[i].len;

		if (n && ((p[0] & magics[i].mask0) != magics[i].magic[0] ||
		          memcmp(p + 1, magics[i].magic + 1, n - 1) != 0))
			continue;
		if (n == magics[i].len)
			return magics[i].compression;
		partial = true;
	}
	return partial ? COMPRESSION_AUTO : COMPRESSION_NONE;
}

enum compression compression_detect(const void *data, size_t len)
{
	enum compression c = detect_partial(data, len);

	return c == COMPRESSION_AUTO ? COMPRESSION_NONE : c;
}

struct inflater *inflater_new(enum compression compression, const struct inflate_limits *limits)
{
	struct inflater *inf = xcalloc(1, sizeof(*inf));

	inf->compression = compression;
	if (limits)
		inf->limits = *limits;
	if (!inf->limits.max_output_bytes)
		inf->limits.max_output_bytes = MAX_OUTPUT_DEFAULT;
	if (!inf->limits.max_ratio)
		inf->limits.max_ratio = MAX_RATIO_DEFAULT;
	inf->zstd_between_frames = true;
	return inf;
}

void inflater_free(struct inflater *inf)
{
	if (!inf)
		return;
	free(inf->isal);
	if (inf->zlib)
		inflateEnd(inf->zlib);
	free(inf->zlib);
	ZSTD_freeDCtx(inf->zstd);
	free(inf);
}

enum compression inflater_compression(const struct inflater *inf)
{
	return inf->compression;
}

/* Ready for the next member. */
static void gzip_start(struct inflater *inf)
{
	if (has_isal()) {
		if (inf->isal) {
			isal.reset(inf->isal);
		} else {
			inf->isal = xmalloc(sizeof(*inf->isal));
			isal.init(inf->isal);
		}
		inf->isal->crc_flag = ISAL_GZIP;
	} else if (inf->zlib) {
		inflateReset(inf->zlib);
	} else {
		inf->zlib = xcalloc(1, sizeof(*inf->zlib));
		if (inflateInit2(inf->zlib, 15 + 16) != Z_OK)
			abort();
	}
	inf->place = GZIP_IN_MEMBER;
}

static int corrupt_at(struct inflater *inf, const char *text, struct err *err)
{
	return err_set(err, E_CORRUPT, "%s data is damaged after %s: %s",
	               compression_name(inf->compression), format_size(inf->total_out).s, text);
}

static int isal_step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                     size_t out_cap, size_t *ret_out, struct err *err)
{
	struct inflate_state *s = inf->isal;
	int r;

	s->next_in = (uint8_t *)*in;
	s->avail_in = (uint32_t)*in_len;
	s->next_out = out;
	s->avail_out = (uint32_t)out_cap;
	r = isal.run(s);
	if (r == ISAL_INCORRECT_CHECKSUM)
		return corrupt_at(inf, "wrong checksum", err);
	if (r == ISAL_INVALID_WRAPPER || r == ISAL_UNSUPPORTED_METHOD)
		return corrupt_at(inf, "not a gzip header", err);
	if (r < 0 || r == ISAL_NEED_DICT)
		return corrupt_at(inf, "invalid deflate block", err);
	/* after a failure avail_in may be one below zero, so only now */
	*ret_out = out_cap - s->avail_out;
	*in += *in_len - s->avail_in;
	*in_len = s->avail_in;
	if (s->block_state == ISAL_BLOCK_FINISH)
		inf->place = GZIP_BETWEEN;
	return 0;
}

static int zlib_step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                     size_t out_cap, size_t *ret_out, struct err *err)
{
	z_stream *z = inf->zlib;
	int r;

	z->next_in = *in;
	z->avail_in = (uInt)*in_len;
	z->next_out = out;
	z->avail_out = (uInt)out_cap;
	r = inflate(z, Z_NO_FLUSH);
	*ret_out = out_cap - z->avail_out;
	*in += *in_len - z->avail_in;
	*in_len = z->avail_in;
	if (r == Z_STREAM_END)
		inf->place = GZIP_BETWEEN;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return corrupt_at(inf, z->msg ? z->msg : "invalid deflate stream", err);
	return 0;
}

static int gzip_step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                     size_t out_cap, size_t *ret_out, struct err *err)
{
	if (!inf->isal && !inf->zlib)
		gzip_start(inf);
	if (inf->place == GZIP_BETWEEN && *in_len) {
		if (**in == 0x1f)
			gzip_start(inf);
		else
			inf->place = GZIP_PADDING;
	}
	if (inf->place == GZIP_PADDING) {
		for (; *in_len; ++*in, --*in_len)
			if (**in)
				return corrupt_at(inf, "other bytes after the end of the gzip data",
				                  err);
		return 0;
	}
	if (inf->place == GZIP_BETWEEN)
		return 0;
	if (inf->isal)
		return isal_step(inf, in, in_len, out, out_cap, ret_out, err);
	return zlib_step(inf, in, in_len, out, out_cap, ret_out, err);
}

static int zstd_step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                     size_t out_cap, size_t *ret_out, struct err *err)
{
	ZSTD_inBuffer ib = { .src = *in, .size = *in_len };
	ZSTD_outBuffer ob = { .dst = out, .size = out_cap };
	size_t r;

	if (!inf->zstd) {
		inf->zstd = ZSTD_createDCtx();
		if (!inf->zstd)
			abort();
		ZSTD_DCtx_setParameter(inf->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	}
	/* a finished frame is left alone: a call without input would start the next one */
	if (!*in_len && inf->zstd_between_frames)
		return 0;
	r = ZSTD_decompressStream(inf->zstd, &ob, &ib);
	*ret_out = ob.pos;
	*in += ib.pos;
	*in_len -= ib.pos;
	if (ZSTD_isError(r))
		return corrupt_at(inf, ZSTD_getErrorName(r), err);
	inf->zstd_between_frames = r == 0;
	return 0;
}

static int plain_step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                      size_t out_cap, size_t *ret_out, struct err *err)
{
	size_t n = *in_len < out_cap ? *in_len : out_cap;

	memcpy(out, *in, n);
	*in += n;
	*in_len -= n;
	*ret_out = n;
	return 0;
}

static int step(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out, size_t out_cap,
                size_t *ret_out, struct err *err)
{
	switch (inf->compression) {
	case COMPRESSION_GZIP:
		return gzip_step(inf, in, in_len, out, out_cap, ret_out, err);
	case COMPRESSION_ZSTD:
		return zstd_step(inf, in, in_len, out, out_cap, ret_out, err);
	case COMPRESSION_NONE:
		return plain_step(inf, in, in_len, out, out_cap, ret_out, err);
	case COMPRESSION_AUTO:
	case COMPRESSION_MAX:
		break;
	}
	return err_set(err, E_INTERNAL, "no compression chosen");
}

/* Take bytes from the input until they tell the format. */
static void detect(struct inflater *inf, const uint8_t **in, size_t *in_len)
{
	while (inf->compression == COMPRESSION_AUTO && *in_len) {
		inf->magic[inf->magic_len++] = **in;
		++*in;
		--*in_len;
		inf->compression = detect_partial(inf->magic, inf->magic_len);
	}
}

static int check_limits(struct inflater *inf, struct err *err)
{
	if (inf->total_out > inf->limits.max_output_bytes)
		return err_set(err, E_LIMIT, "more than %s after decompression",
		               format_size(inf->limits.max_output_bytes).s);
	if (inf->total_out > RATIO_FREE_BYTES &&
	    inf->total_out / inf->limits.max_ratio > inf->total_in)
		return err_set(err, E_LIMIT,
		               "%s of %s data became more than %s: this looks like a "
		               "decompression bomb",
		               format_size(inf->total_in).s, compression_name(inf->compression),
		               format_size(inf->total_out).s);
	return 0;
}

int inflater_run(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                 size_t out_cap, size_t *ret_out, struct err *err)
{
	size_t given = *in_len, n = 0;

	detect(inf, in, in_len);
	*ret_out = 0;
	if (inf->compression == COMPRESSION_AUTO)
		return 0;
	/* the bytes held back come first; they always fit any decoder's header buffer */
	while (inf->magic_done < inf->magic_len && n == 0) {
		const uint8_t *p = inf->magic + inf->magic_done;
		size_t left = inf->magic_len - inf->magic_done;

		if (step(inf, &p, &left, out, out_cap, &n, err) < 0)
			return -1;
		inf->magic_done = inf->magic_len - left;
	}
	while (n == 0) {
		size_t before = *in_len;
		size_t piece = before < STEP_INPUT_MAX_BYTES ? before : STEP_INPUT_MAX_BYTES;
		size_t left = piece;

		if (step(inf, in, &left, out, out_cap, &n, err) < 0)
			return -1;
		*in_len = before - (piece - left);
		if (*in_len == 0)
			break;
		if (n == 0 && left == piece)
			return corrupt_at(inf, "the decoder makes no progress", err);
	}
	inf->total_in += given - *in_len;
	inf->total_out += n;
	*ret_out = n;
	return check_limits(inf, err);
}

int inflater_end(struct inflater *inf, struct err *err)
{
	bool complete = true;

	switch (inf->compression) {
	case COMPRESSION_AUTO:
		complete = inf->magic_len == 0;
		break;
	case COMPRESSION_GZIP:
		complete = inf->place != GZIP_IN_MEMBER;
		break;
	case COMPRESSION_ZSTD:
		complete = inf->zstd_between_frames && inf->total_in > 0;
		break;
	case COMPRESSION_NONE:
	case COMPRESSION_MAX:
		break;
	}
	if (!complete)
		return err_set(err, E_CORRUPT, "the %s data is cut off after %s",
		               compression_name(inf->compression), format_size(inf->total_in).s);
	return 0;
}
