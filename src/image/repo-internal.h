/* What the files of the repositories share. */
#pragma once
#include "image/repo.h"

/* Inside a write transaction. */
int repo_id_make(struct image_store *store, const char *repo, int64_t *ret, struct err *err);
int repo_add_blob(struct image_store *store, const char *repo, const struct digest *d,
                  uint64_t size, struct err *err);
