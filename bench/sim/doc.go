// Command sim finds out, without a network and without waiting, what each policy of package balancer makes of many nodes and
// many gateways: a discrete-event simulation in which every gateway has a real balancer.Pool, with the simulation's clock,
// that knows only what it has sent and what nodes say of themselves with their answers.
//
// It owns the scenarios, the model of a node and the ideal that policies are held against: one central queue before all nodes,
// out of which whoever is free takes the next request. The requests of a scenario, their work, their keys and the gateways
// that they come to are drawn once and are the same for the ideal and for all policies, so that what differs is the policy.
// The same seed gives the same figures, byte for byte.
//
// With --real it also runs few scenarios against real processes, which are this program started again: nodes of package backend with
// an engine that sleeps, and gateways. There the order of the policies counts, held against that of the simulation.
//
// It refuses to know how a policy chooses, and models neither CPU nor memory of the gateway: the real ones are measured by
// bench/edge.
//
// A simulation runs in one goroutine.
package main
