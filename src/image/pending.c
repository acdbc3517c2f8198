/* Bodies that are on their way; each says so honestly. */
#include "image/archive.h"
#include "image/pull.h"

#define PENDING(call) return err_set(err, E_UNSUPPORTED, "%s is not there yet", call)

int archive_format_parse(const char *s, enum archive_format *ret, struct err *err)
{
	PENDING("save");
}

int image_save(struct image_store *store, const char *const *names, size_t n_names,
               const struct archive_options *options, int fd, struct err *err)
{
	PENDING("save");
}

int image_load(struct image_store *store, int fd, const struct archive_options *options,
               struct strv *ret_loaded, struct err *err)
{
	PENDING("load");
}

int image_load_memory(struct image_store *store, const void *data, size_t len,
                      struct strv *ret_loaded, struct err *err)
{
	PENDING("load");
}

int image_import(struct image_store *store, int fd, const struct import_options *options,
                 char **ret_id, struct err *err)
{
	PENDING("import");
}
