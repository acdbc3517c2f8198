/* Bodies that say they are not there yet, so that other layers can link; each moves to its own
 * file as it is written. */
#include "codec/erofs.h"
#include "codec/inflate.h"
#include "codec/tar.h"

#define PENDING(err) err_set(err, E_UNSUPPORTED, "%s: not implemented yet", __func__)

struct inflater *inflater_new(enum compression compression, const struct inflate_limits *limits)
{
	return NULL;
}
void inflater_free(struct inflater *inf)
{
}
int inflater_run(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                 size_t out_cap, size_t *ret_out, struct err *err)
{
	return PENDING(err);
}
int inflater_end(struct inflater *inf, struct err *err)
{
	return PENDING(err);
}
enum compression inflater_compression(const struct inflater *inf)
{
	return COMPRESSION_AUTO;
}
const char *compression_name(enum compression c)
{
	return "";
}
enum compression compression_detect(const void *data, size_t len)
{
	return COMPRESSION_AUTO;
}
const char *inflate_gzip_backend(void)
{
	return "";
}
struct tar_reader *tar_reader_new(const struct tar_handler *handler, void *ctx,
                                  const struct tar_limits *limits)
{
	return NULL;
}
void tar_reader_free(struct tar_reader *r)
{
}
int tar_reader_push(struct tar_reader *r, const void *data, size_t len, struct err *err)
{
	return PENDING(err);
}
int tar_reader_end(struct tar_reader *r, struct err *err)
{
	return PENDING(err);
}
uint64_t tar_reader_entries(const struct tar_reader *r)
{
	return 0;
}
bool tar_reader_at_end(const struct tar_reader *r)
{
	return false;
}
int tar_normalise_name(const char *name, char *ret, struct err *err)
{
	return PENDING(err);
}
struct tar_writer *tar_writer_new(tar_write_fn write, void *ctx)
{
	return NULL;
}
void tar_writer_free(struct tar_writer *w)
{
}
int tar_write_to_fd(void *ctx, const void *data, size_t len, struct err *err)
{
	return PENDING(err);
}
int tar_writer_entry(struct tar_writer *w, const struct tar_entry *e, struct err *err)
{
	return PENDING(err);
}
int tar_writer_data(struct tar_writer *w, const void *data, size_t len, struct err *err)
{
	return PENDING(err);
}
int tar_writer_file(struct tar_writer *w, const char *name, const void *data, size_t len,
                    int64_t mtime_s, struct err *err)
{
	return PENDING(err);
}
int tar_writer_copy_fd(struct tar_writer *w, int fd, uint64_t len, struct err *err)
{
	return PENDING(err);
}
int tar_writer_finish(struct tar_writer *w, struct err *err)
{
	return PENDING(err);
}
struct erofs_writer *erofs_writer_new(void)
{
	return NULL;
}
void erofs_writer_free(struct erofs_writer *w)
{
}
int erofs_writer_add(struct erofs_writer *w, const struct tar_entry *e, struct err *err)
{
	return PENDING(err);
}
int erofs_writer_finish(struct erofs_writer *w, int tar_fd, uint64_t tar_bytes, int out_fd,
                        uint64_t *ret_bytes, struct err *err)
{
	return PENDING(err);
}
uint64_t erofs_writer_inodes(const struct erofs_writer *w)
{
	return 0;
}
