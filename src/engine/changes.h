/* changes: what a container did to its image's files: diff, export, commit.
 *
 * All three read the container's upper directory (or a mount of its root without what is mounted in
 * it) from outside, by descriptors that follow no link; nothing of the container runs. */
#pragma once
#include "engine/engine.h"

enum change_kind { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED }; /* docker's numbers */
struct change {
	enum change_kind kind;
	char *path;
};
struct change_list {
	struct change *items;
	size_t n;
};
void change_list_done(struct change_list *list);
#define AUTO_CHANGES __attribute__((cleanup(change_list_done))) struct change_list

/* In order of paths; directories above a change count as modified, as docker has it. */
int container_changes(struct engine *e, const char *ref, struct change_list *ret, struct err *err);

/* A tar of its root, without volumes and other mounts, to fd. */
int container_export(struct engine *e, const char *ref, int fd, struct err *err);

struct commit_options {
	const char *name;           /* or NULL */
	const char *author;         /* or NULL */
	const char *message;        /* or NULL */
	const char *const *changes; /* Dockerfile instructions */
	size_t n_changes;
	int pause;   /* -1: where it can be; 1: or fail; 0: no */
	bool squash; /* one layer with all of it */
};
/* An image of the container's files, and of how it was started. Caller frees *ret_id. */
int container_commit(struct engine *e, const char *ref, const struct commit_options *options,
                     char **ret_id, struct err *err);
