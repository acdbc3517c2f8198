/* An archive that is written member by member: see transport-internal.h. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>

#define COPY_BYTES (256u << 10)

static int begin(struct members *m, const char *name, uint64_t size, struct err *err)
{
	struct tar_entry entry = { .type = TAR_FILE,
		                   .name = name,
		                   .link = "",
		                   .uname = "",
		                   .gname = "",
		                   .mode = 0644,
		                   .size = size };

	strv_add(&m->written, name);
	return tar_writer_entry(m->tar, &entry, err);
}

void members_done(struct members *m)
{
	if (m->tar)
		tar_writer_free(m->tar);
	strv_done(&m->written);
}

int members_put(struct members *m, const char *name, const struct blob_source *source,
                struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	AUTO_FREE char *buf = xmalloc(COPY_BYTES);
	AUTO_FEED feed;
	size_t n;

	feed_init(&feed, source);
	if (feed_seek(&feed, 0, err) < 0 || begin(m, name, (uint64_t)source->size, err) < 0)
		return -1;
	do {
		if (image_cancelled(m->cancel, err) < 0 ||
		    feed_read(&feed, buf, COPY_BYTES, &n, err) < 0 ||
		    (n && tar_writer_data(m->tar, buf, n, err) < 0))
			return -1;
	} while (n);
	return feed_finish(&feed, ret_digest, ret_size, err);
}

int members_spool(struct members *m, int dir_fd, const struct blob_source *source,
                  struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	AUTO_FD fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, errno, "write %s", source->what);
	if (feed_to_fd(source, fd, m->cancel, ret_digest, ret_size, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "read %s", source->what);
	return TAKE_FD(fd);
}

int members_put_fd(struct members *m, const char *name, int fd, uint64_t size, struct err *err)
{
	if (begin(m, name, size, err) < 0)
		return -1;
	return tar_writer_copy_fd(m->tar, fd, size, err);
}
