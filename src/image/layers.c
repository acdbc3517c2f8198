#include "image/layers.h"

#define PENDING(err) err_set(err, E_UNSUPPORTED, "%s: not implemented yet", __func__)

int layer_store_open(int root_fd, const struct layer_store_options *options,
                     struct layer_store **ret, struct err *err)
{
	return PENDING(err);
}
void layer_store_free(struct layer_store *store)
{
}
int layer_store_mode(struct layer_store *store, enum layer_mode *ret, const char **ret_reason,
                     struct err *err)
{
	return PENDING(err);
}
const char *layer_mode_name(enum layer_mode mode)
{
	return "";
}
int layer_import_begin(struct layer_store *store, const struct layer_import_args *args,
                       struct layer_import **ret, struct err *err)
{
	return PENDING(err);
}
int layer_import_push(struct layer_import *im, const void *data, size_t len, struct err *err)
{
	return PENDING(err);
}
int layer_import_commit(struct layer_import *im, struct layer_info *ret, struct err *err)
{
	return PENDING(err);
}
void layer_import_free(struct layer_import *im)
{
}
int layer_import_fd(struct layer_store *store, const struct layer_import_args *args, int fd,
                    struct layer_info *ret, struct err *err)
{
	return PENDING(err);
}
bool layer_store_has(struct layer_store *store, const struct digest *diff_id)
{
	return false;
}
int layer_store_info(struct layer_store *store, const struct digest *diff_id,
                     struct layer_info *ret, struct err *err)
{
	return PENDING(err);
}
int layer_store_list(struct layer_store *store, struct layer_info **ret, size_t *ret_count,
                     struct err *err)
{
	return PENDING(err);
}
int layer_store_open_tar(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	return PENDING(err);
}
int layer_store_verify(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	return PENDING(err);
}
int layer_store_remove(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	return PENDING(err);
}
int layer_store_sweep(struct layer_store *store, struct err *err)
{
	return PENDING(err);
}
