/* config-files: finding and reading configuration that other programs share with us. */
#pragma once
#include "base/err.h"
#include "base/strv.h"

/* Return 1 when it was there and read, 0 when there is none. Caller frees *ret. */
int config_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
                     struct err *err);
/* What ends in SUFFIX in a folder, as whole paths, sorted by name. No such folder: nothing. */
int config_dir_list(const char *dir, const char *suffix, struct strv *ret, struct err *err);
/* $XDG_CONFIG_HOME/NAME, or ~/.config/NAME; NULL when neither is known. Caller frees. */
char *config_user_path(const char *name);
/* A short name without its tag and digest. Caller frees. */
char *short_name_key(const char *name);
