/* layers-internal: what the parts of the layer store share. */
#pragma once
#include <pthread.h>
#include <sys/types.h>

#include "codec/tree.h"
#include "image/layers.h"

#define LAYER_TAR     "layer.tar"
#define LAYER_INDEX   "layer.erofs"
#define LAYER_DIFF    "diff"
#define LAYER_META    "meta.json" /* with LAYER_DIFF: what cannot be had by stat */
#define LAYER_TMP     "tmp-"      /* begins the names of directories under work */
#define LAYER_PROBE   "probe.json"
#define LAYER_TMP_MAX 32

struct layer_store {
	int fd;               /* ROOT/layers */
	pthread_mutex_t lock; /* guards what follows */
	enum layer_mode mode; /* NONE: not known yet */
	char reason[200];
};

/* Make and lock a directory for work in progress. *ret_fd holds the lock until it is closed. */
int layer_tmp_make(struct layer_store *store, char ret_name[LAYER_TMP_MAX], int *ret_fd,
                   struct err *err);
/* Open ROOT/layers/HEX, O_PATH or readable. E_NOT_FOUND names the layer. */
int layer_dir_open(struct layer_store *store, const struct digest *diff_id, struct err *err);
/* Whether the process is in another user namespace than the machine's first. */
bool is_in_user_namespace(void);

/* Write the tree's form for `mode` into dir_fd, and sync it: LAYER_INDEX, or LAYER_DIFF with
 * LAYER_META. tar_fd: the complete tar. */
int layer_form_write(struct tree *tree, enum layer_mode mode, int dir_fd, int tar_fd,
                     uint64_t tar_bytes, uint64_t *ret_bytes, struct err *err);
/* Read a stored tar again into a frozen tree. */
int layer_tree_read(int tar_fd, struct tree **ret, struct err *err);
/* Write the index of a stored tar to out_fd. */
int layer_index_make(int tar_fd, int out_fd, struct err *err);
/* Make sure the layer in dir_fd has the form `mode` mounts (it may have been made elsewhere). */
int layer_form_ensure(struct layer_store *store, int dir_fd, enum layer_mode mode, struct err *err);
