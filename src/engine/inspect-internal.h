/* inspect-internal: the two big objects of inspect, Config and HostConfig. */
#pragma once
#include "engine/engine-internal.h"
#include "engine/options.h"

#include <json-c/json.h>

struct image_config;

void inspect_add_config(struct json_object *obj, const struct container_options *opts,
                        const struct container_row *row, const struct image_config *image,
                        const struct strv *argv);
int inspect_add_host_config(struct json_object *obj, const struct container_options *opts,
                            const struct container_row *row, struct err *err);
/* PortBindings, from what -p asked for. */
int inspect_host_ports(const struct container_options *opts, struct json_object *host_config,
                       struct err *err);
/* Bytes of all regular files below dir_fd/name, each counted once however many names it has; no
 * symbolic link is followed. */
uint64_t inspect_tree_size(int dir_fd, const char *name);
