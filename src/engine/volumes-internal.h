/* What the files of volumes share. */
#pragma once
#include "engine/volumes.h"

/* ROOT/volumes/NAME as a directory fd, or -1. Caller closes. */
int volume_dir_open(int root_fd, const char *name, struct err *err);
/* Remove directories that a killed command left half made or half removed. */
void volumes_sweep(int root_fd);
