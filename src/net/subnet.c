#include "net/net-internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* 10.87.0.0/16 for the default root; every other range is a /24 of 10.64.0.0 - 10.86.255.255.
 * Podman hands out 10.88 and above, and Kubernetes' 10.96.0.0/12 is in no routing table. */
#define DEFAULT_BASE  0x0a570000u
#define SMALL_BASE    0x0a400000u
#define SMALL_COUNT   (23u * 256u)
#define DEFAULT_WIDTH 16
#define SMALL_WIDTH   24

uint32_t subnet_mask(uint8_t prefix_len)
{
	return prefix_len ? UINT32_MAX << (32 - prefix_len) : 0;
}

struct in_addr subnet_gateway(const struct subnet *s)
{
	return (struct in_addr){ htonl(s->base + 1) };
}

bool subnet_contains(const struct subnet *s, struct in_addr ip)
{
	return (ntohl(ip.s_addr) & subnet_mask(s->prefix_len)) == s->base;
}

struct subnet_text subnet_format(const struct subnet *s)
{
	struct in_addr base = { htonl(s->base) };
	char ip[INET_ADDRSTRLEN];
	struct subnet_text text;

	inet_ntop(AF_INET, &base, ip, sizeof(ip));
	snprintf(text.s, sizeof(text.s), "%s/%u", ip, s->prefix_len);
	return text;
}

static bool overlaps(const struct subnet *s, uint32_t base, uint32_t mask)
{
	uint32_t both = mask & subnet_mask(s->prefix_len);

	return (base & both) == (s->base & both);
}

bool subnet_is_routed(const struct subnet *s, const char *routes, const char *except)
{
	/* "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t...": numbers as they lie in memory
	 */
	for (const char *line = routes; line && *line; line = strchr(line, '\n')) {
		char name[IFNAMSIZ];
		unsigned destination, mask;

		line += *line == '\n';
		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) != 3)
			continue;
		/* a default route, or its two halves as VPNs write it, claims nothing */
		if (ntohl(mask) <= subnet_mask(1) || (except && !strcmp(name, except)))
			continue;
		if (overlaps(s, ntohl(destination), ntohl(mask)))
			return true;
	}
	return false;
}

bool subnet_candidate(const char *tag, unsigned n, struct subnet *ret)
{
	unsigned start = 0;

	if (!*tag && n == 0) {
		*ret = (struct subnet){ DEFAULT_BASE, DEFAULT_WIDTH };
		return true;
	}
	if (n > SMALL_COUNT)
		return false;
	/* roots start at different places, so that two that are set up at once do not meet */
	if (*tag)
		start = (unsigned)strtoul(tag, NULL, 16) % SMALL_COUNT;
	*ret = (struct subnet){ SMALL_BASE + ((start + n) % SMALL_COUNT << 8), SMALL_WIDTH };
	return true;
}
