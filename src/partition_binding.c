/*
 * partition_binding.c
 *	  Which links may never go, so that every node stays reachable?
 *
 * Binding links form a tree from the entry (src/README, section 12).  A walk
 * from the entry, breadth first, makes the links binding by which it first
 * reaches nodes; whom it misses is attached, and the walk goes on from there.
 *
 * In a shard of a larger level (VegoPartitionOptions.bonds) the walk begins at
 * all nodes that are bound elsewhere, and nodes may have fewer binding links
 * than links.
 */
#include "postgres.h"

#include "partition_stages.h"

/* The links of queued nodes are fetched so many nodes ahead. */
#define LINKS_AHEAD 8

typedef enum NodeState
{
	NODE_UNREACHED = 0,
	NODE_REACHED,
	NODE_REACHED_NOW			/* by the walk that is under way */
} NodeState;

typedef struct Walk
{
	const VegoPartition *build;
	VegoWork   *work;
	uint8	   *states;
	uint32	   *queue;			/* nodes reached, in this order */
	uint32		queued;
	uint32		first;			/* where the last walk began */
	uint32		spare;			/* before it nobody in the queue can bind */
	uint32	   *before;			/* when not NULL: for each node a node at or
								 * before it, in circular order, all between
								 * being unable to bind */
} Walk;

/* The link of a node that may give way, the last that is not binding, or -1. */
static int
replaceable_link(const VegoLevel *level, uint32 node)
{
	const VegoLink *links = level->links + (size_t) node * level->capacity;

	for (int i = level->degrees[node] - 1; i >= 0; i--)
		if (!vego_link_is_binding(links[i]))
			return i;
	return -1;
}

static bool
can_take_link(const VegoLevel *level, uint32 node)
{
	return level->degrees[node] < level->capacity ||
		replaceable_link(level, node) >= 0;
}

/* Binding links the node may have. */
static int
binding_limit(const VegoPartition *build, uint32 node)
{
	const VegoLevel *level = &build->level;
	const uint8 *bonds = build->options->bonds;

	if (bonds == NULL)
		return level->capacity;
	return Min(bonds[level->rows[node]] & VEGO_BOND_LIMIT, level->capacity);
}

/* Can the node take a binding link? */
static bool
can_bind(const VegoPartition *build, uint32 node)
{
	const VegoLevel *level = &build->level;
	const VegoLink *links = level->links + (size_t) node * level->capacity;
	int			binding = 0;

	for (int i = 0; i < level->degrees[node]; i++)
		binding += vego_link_is_binding(links[i]);
	return binding < binding_limit(build, node);
}

/*
 * Adds a link, in order of distance, in place of a link that is not binding
 * where there is no room.  Such a link reaches nobody that would not be reached
 * or attached without it.
 */
static void
add_link(const VegoPartition *build, uint32 node, VegoLink link)
{
	const VegoLevel *level = &build->level;
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	double		distance = vego_node_distance(build, node, vego_link_id(link));
	int			degree = level->degrees[node];
	int			i;

	if (degree == level->capacity)
	{
		int			victim = replaceable_link(level, node);

		Assert(victim >= 0);
		memmove(links + victim, links + victim + 1,
				(degree - victim - 1) * sizeof(VegoLink));
		degree--;
	}
	for (i = degree; i > 0 &&
		 vego_node_distance(build, node, vego_link_id(links[i - 1])) > distance;
		 i--)
		links[i] = links[i - 1];
	links[i] = link;
	level->degrees[node] = degree + 1;
}

static void
reach(Walk *walk, uint32 node)
{
	walk->states[node] = NODE_REACHED_NOW;
	walk->queue[walk->queued++] = node;
}

/* Makes links of a node binding that lead to nodes not reached yet. */
static void
bind_targets(Walk *walk, uint32 node)
{
	const VegoLevel *level = &walk->build->level;
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	int			room = binding_limit(walk->build, node);

	for (int i = 0; i < level->degrees[node] && room > 0; i++)
	{
		uint32		target = vego_link_id(links[i]);

		if (walk->states[target] == NODE_UNREACHED)
		{
			links[i] |= VEGO_LINK_BINDING;
			reach(walk, target);
			room--;
		}
	}
}

/* The first node that this one links to, reached by an earlier walk, that can
 * bind, or VEGO_NO_NODE. */
static uint32
find_host(const Walk *walk, uint32 node)
{
	const VegoLevel *level = &walk->build->level;
	const VegoLink *links = level->links + (size_t) node * level->capacity;

	for (int i = 0; i < level->degrees[node]; i++)
	{
		uint32		target = vego_link_id(links[i]);

		if (walk->states[target] == NODE_REACHED &&
			can_bind(walk->build, target))
			return target;
	}
	return VEGO_NO_NODE;
}

static void
prefetch_links(const Walk *walk, uint32 node)
{
	const VegoLevel *level = &walk->build->level;
	const VegoLink *links = level->links + (size_t) node * level->capacity;

	for (int i = 0; i < level->capacity; i += 64 / sizeof(VegoLink))
		__builtin_prefetch(links + i);
}

/*
 * Goes on from the nodes queued from walk->first on, over nodes not reached
 * yet.  Returns the first node met that could be their host, or VEGO_NO_NODE,
 * as always of the first walk.
 */
static uint32
walk_on(Walk *walk)
{
	uint32		host = VEGO_NO_NODE;

	for (uint32 next = walk->first; next < walk->queued; next++)
	{
		uint32		node = walk->queue[next];

		if (walk->queued - next > LINKS_AHEAD)
			prefetch_links(walk, walk->queue[next + LINKS_AHEAD]);
		bind_targets(walk, node);
		if (host == VEGO_NO_NODE && walk->first > 0)
			host = find_host(walk, node);
		vego_advance(walk->work, 1, 1);
	}
	for (uint32 i = walk->first; i < walk->queued; i++)
		walk->states[walk->queue[i]] = NODE_REACHED;
	return host;
}

static uint32
walk_from(Walk *walk, uint32 start)
{
	walk->first = walk->queued;
	reach(walk, start);
	return walk_on(walk);
}

/*
 * Walks from where the tree begins: from all nodes bound elsewhere, or else
 * from the entry.  Returns one of them.
 */
static uint32
walk_from_roots(Walk *walk)
{
	const VegoPartition *build = walk->build;
	const VegoLevel *level = &build->level;
	const uint8 *bonds = build->options->bonds;

	for (uint32 node = 0; bonds && node < level->count; node++)
	{
		if (!(bonds[level->rows[node]] & VEGO_BOUND_ELSEWHERE))
			continue;
		if (binding_limit(build, node) > 0)
			reach(walk, node);
		else
			walk->states[node] = NODE_REACHED;	/* nothing hangs on it */
	}
	if (walk->queued == 0)
		reach(walk, level->entry);
	walk_on(walk);
	return walk->queue[0];
}

/*
 * A node that can bind and that earlier walks have reached: the nearest before
 * this one, in circular order, but not before the start, between which and this
 * one all have been reached; or else the first in the queue.
 *
 * There is one.  Nodes in the queue, those of the last walk aside, may have one
 * binding link each at least, and all of these are bound by one of them, but
 * for the roots.
 */
static uint32
host_before(Walk *walk, uint32 start, uint32 node)
{
	const VegoPartition *build = walk->build;
	uint32		n = build->level.count;
	uint32		distance = (node + n - start) % n;
	uint32		host;

	if (walk->before == NULL)
	{
		walk->before = vego_allocate(n, sizeof(uint32));
		for (uint32 i = 0; i < n; i++)
			walk->before[i] = i;
	}

	/* who cannot bind now never can, so it is passed over for good */
	host = (node + n - 1) % n;
	while ((node + n - host) % n <= distance && host != node)
	{
		uint32		before = walk->before[host];

		if (before == host)
		{
			if (can_bind(build, host))
				return host;
			before = walk->before[host] = (host + n - 1) % n;
		}
		walk->before[host] = walk->before[before];
		host = walk->before[host];
	}
	while (!can_bind(build, walk->queue[walk->spare]))
		walk->spare++;
	Assert(walk->spare < walk->first);
	return walk->queue[walk->spare];
}

/*
 * Gives every node but the roots one binding in-link.  Nodes that links do not
 * reach are attached to one that they lead to, or else to one next to them in
 * leaf order.
 */
void
vego_partition_attach(const VegoPartition *build, VegoWork *work)
{
	const VegoLevel *level = &build->level;
	Walk		walk = {.build = build,.work = work};
	uint32		start;

	walk.states = vego_allocate_zero(level->count, sizeof(uint8));
	walk.queue = vego_allocate(level->count, sizeof(uint32));
	start = walk_from_roots(&walk);
	for (uint32 i = 1; i < level->count; i++)
	{
		uint32		node = (start + i) % level->count;
		uint32		host;

		if (walk.states[node] != NODE_UNREACHED)
			continue;
		host = walk_from(&walk, node);
		if (host == VEGO_NO_NODE)
		{
			host = host_before(&walk, start, node);
			if (can_take_link(level, node))
				add_link(build, node, host);
		}
		add_link(build, host, node | VEGO_LINK_BINDING);
	}
	pfree(walk.states);
	pfree(walk.queue);
	if (walk.before)
		pfree(walk.before);
}
