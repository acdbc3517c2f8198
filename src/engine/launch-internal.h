/* launch-internal: pieces of container_launch() that only read options and write small files. */
#pragma once
#include "engine/engine-internal.h"
#include "engine/options.h"

struct image_config;
struct net;
struct net_ports;
struct net_result;

/* hosts, hostname and resolv.conf of a container, in its directory. net: what it was given; NULL
 * before that, or without a network. Files are written in place: they are bind-mounted. */
int launch_write_files(struct engine *e, int dir_fd, const struct container_row *row,
                       const struct container_options *opts, const struct network_choice *network,
                       const struct net_result *net, struct err *err);
/* The directory of mount points that is merged in below every image. The caller closes it. */
int launch_skeleton_open(struct engine *e, struct err *err);
/* -p, and with -P what --expose and the image name. */
int launch_ports(const struct container_options *opts, const struct image_config *image,
                 struct net_ports *ret, struct err *err);
/* Give back addresses and ports of containers that are dead without anybody having noticed.
 * Returns of how many. */
int launch_free_stale_addresses(struct engine *e, struct net *net);
