/** For users' own tests, and for whoever writes a store: a test gateway, a test clock, signed load, the conformance suites. */
export { type Latency, type Load, type LoadReport, sendLoad } from '../cli/simulate/load.ts';
export { TestClock, TEST_START } from './clock.ts';
export * from './conformance/index.ts';
export * from './histories.ts';
export { memoryHarness, sharedMemoryHarness } from './memory-harness.ts';
export * from './queues/index.ts';
export { memoryQueueHarness } from './queues/memory.ts';
export { type Simulation, simulation, type SimulationOptions } from './simulation.ts';
export { type Register, type SendOptions, type TestAnswer, TestGateway, testGateway } from './test-gateway.ts';
