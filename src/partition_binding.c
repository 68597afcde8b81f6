/*
 * partition_binding.c
 *	  Which links may never go, so that every node stays reachable?
 *
 * Binding links form a tree from the entry (src/README, section 12).  A walk
 * from the entry, breadth first, makes the links binding by which it first
 * reaches nodes; whom it misses is attached, and the walk goes on from there.
 */
#include "postgres.h"

#include "partition_stages.h"

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
	uint32	   *queue;
	uint32		queued;
	uint32	   *before;			/* when not NULL: for each node a node at or
								 * before it, in circular order, all between
								 * being full */
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

/*
 * Adds a link, in order of distance, in place of a link that is not binding
 * where there is no room.  All that a reached node links to has been reached,
 * otherwise than by a link that is not binding, so that is never missed.
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

/*
 * Walks from a node over nodes not reached yet.  Returns the first node met
 * that an earlier walk reached and that can take a link, or VEGO_NO_NODE.
 */
static uint32
walk_from(Walk *walk, uint32 start)
{
	const VegoLevel *level = &walk->build->level;
	uint32		first = walk->queued;
	uint32		host = VEGO_NO_NODE;

	walk->states[start] = NODE_REACHED_NOW;
	walk->queue[walk->queued++] = start;
	for (uint32 next = first; next < walk->queued; next++)
	{
		uint32		node = walk->queue[next];
		VegoLink   *links = level->links + (size_t) node * level->capacity;

		for (int i = 0; i < level->degrees[node]; i++)
		{
			uint32		target = vego_link_id(links[i]);

			if (walk->states[target] == NODE_UNREACHED)
			{
				links[i] |= VEGO_LINK_BINDING;
				walk->states[target] = NODE_REACHED_NOW;
				walk->queue[walk->queued++] = target;
			}
			else if (walk->states[target] == NODE_REACHED &&
					 host == VEGO_NO_NODE && can_take_link(level, target))
				host = target;
		}
		vego_advance(walk->work, 1, 1);
	}
	for (uint32 i = first; i < walk->queued; i++)
		walk->states[walk->queue[i]] = NODE_REACHED;
	return host;
}

/*
 * The nearest node before this one, in circular order, that can take a link.
 * All nodes between the entry and this one have been reached.
 */
static uint32
host_before(Walk *walk, uint32 node)
{
	const VegoLevel *level = &walk->build->level;
	uint32		n = level->count;
	uint32		host;

	if (walk->before == NULL)
	{
		walk->before = vego_allocate(n, sizeof(uint32));
		for (uint32 i = 0; i < n; i++)
			walk->before[i] = i;
	}

	/* a full node stays full, so it is passed over for good */
	host = (node + n - 1) % n;
	for (;;)
	{
		uint32		before = walk->before[host];

		if (before == host)
		{
			if (can_take_link(level, host))
				break;
			before = walk->before[host] = (host + n - 1) % n;
		}
		walk->before[host] = walk->before[before];
		host = walk->before[host];
	}
	return host;
}

/*
 * Gives every node but the entry one binding in-link.  Nodes that links do not
 * reach are attached to one that they lead to, or else to one next to them in
 * leaf order.
 */
void
vego_partition_attach(const VegoPartition *build, VegoWork *work)
{
	const VegoLevel *level = &build->level;
	Walk		walk = {.build = build,.work = work};

	walk.states = vego_allocate_zero(level->count, sizeof(uint8));
	walk.queue = vego_allocate(level->count, sizeof(uint32));
	walk_from(&walk, level->entry);
	for (uint32 i = 1; i < level->count; i++)
	{
		uint32		node = (level->entry + i) % level->count;
		uint32		host;

		if (walk.states[node] != NODE_UNREACHED)
			continue;
		host = walk_from(&walk, node);
		if (host == VEGO_NO_NODE)
		{
			host = host_before(&walk, node);
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
