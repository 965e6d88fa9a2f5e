// Every bound of the program in one place, with its unit and its reason.

const kib = 1024;
const mib = 1024 * kib;
const gib = 1024 * mib;

export const limits = {
  /** Length of a node's name: it stands in every topic of a link. */
  nodeNameChars: 64,
  /** Bytes of a topic that a client may publish on. MQTT allows 65 535; ours bounds what every index row costs. */
  topicBytes: 1024,
  /** Levels of a topic: each is a step of every match. */
  topicLevels: 512,
  /** Bytes of one payload that the journal takes. Larger ones are for the block layer. */
  journalPayloadBytes: 256 * kib,
  /** Bytes of one MQTT packet on any connection: a frame of a link with its segment fits, a runaway length does not. */
  packetBytes: mib,
  /** Bytes of one segment's body and the most messages in it: the unit of storage, transfer and eviction. */
  segmentBytes: 256 * kib,
  segmentItems: 1000,
  /** Bytes of the largest body: one message with the largest payload, its topic and the heads of both. */
  bodyBytes: 256 * kib + 1024 + 64,
  /** Bytes of one link frame. */
  frameBytes: 512 * kib,
  /** Bytes that the deflated bodies of one link frame may become together: twice what a sender puts into one. */
  inflatedBytesOfBatch: mib,
  /** Streams that one node may number. */
  streamsPerNode: 64,
  /** Streams that one hello or heartbeat names; more follow in the next ones. */
  streamsPerHello: 1_000,
  /** Nodes that one child may have named as below it, over all time: beyond them the longest known is forgotten. */
  namedBelow: 20_000,
  /** Epochs of one origin of which a node misses or holds something, and all that it has heard of: beyond either no new one is taken in. An honest node has one a boot. */
  openEpochsPerOrigin: 1_000,
  epochsPerOrigin: 20_000,
  /** Share of the database that streams may take which children have named: those of one child, and of all. */
  ledgerShareOfChild: 1 / 8,
  ledgerShare: 1 / 2,
  /** Nodes that a node remembers as its children, over all time. */
  childrenKnown: 50_000,
  /** Parents of former times that a node remembers and tells of, and epochs that it says are its own: the latest. */
  formerParents: 32,
  epochsTold: 16,
  /** Ranges of one interval set on the wire; a longer list is a fault of the sender. */
  rangesOnWire: 64,
  /** Of streams of class final that a child hands on for others, in one Welcome. */
  finalRangesTold: 8_192,
  /** Ranges of a stream beyond which an alarm is raised: its numbers come in too many pieces [O6]. */
  rangesAlarm: 64,
  /** Running time of a root after which a hole that stays as it is counts as lost: a month of holidays, and a spare part. */
  presumedLostMs: 30 * 24 * 3_600_000,
  /** Silence after which its origin forgets a complete old epoch. */
  forgetEpochMs: 400 * 24 * 3_600_000,
  /** Old epochs of other nodes that shrink in one transaction. */
  closedEpochsPerStep: 1_000,
  /** Nodes below this one that status and heartbeats name. */
  /** Nodes below this one that status and links name. */
  descendants: 10_000,
  /** Bytes of them in one hello and in one heartbeat, and how many that have gone; more follow. A slow link is free for alarms in between. */
  descendantBytesOfHello: 32 * kib,
  descendantBytesOfBeat: 64 * kib,
  goneOfBeat: 5_000,
  /** What a child has said before of the nodes below it, and how long that is believed beside what it says now: three heartbeats. */
  earlierReports: 4,
  earlierReportsMs: 9_000,
  /** Levels between a device and the root. */
  treeDepth: 8,
  /** Bytes of the node's database when neither configuration nor disk says otherwise. */
  journalBytes: gib,
  /** Share of the database that appends leave free, so that deletes and gap rows can always be written. */
  journalReserveShare: 0.05,
  /** Share of the room for messages that only those of priority P0 may take. */
  urgentRoomShare: 0.04,
  /** A stream that was refused counts as being refused for so long after its last publish: others may have room all the while. */
  refusalStandsMs: 60_000,
  /** Bytes of disk set aside so that a full disk still drains: a sixteenth of the database's limit, within these bounds. */
  diskReserveBytesMin: mib,
  diskReserveBytesMax: 8 * mib,
  /** Segments that one transaction removes for want of room or for their age, and that it looks at for it. */
  upkeepSegments: 1_000,
  upkeepLooks: 10_000,
  /** Segments that one question about a span of time looks at, and bytes of bodies that it reads: commits wait for it. */
  spanLooks: 5_000,
  spanBytes: 2 * mib,
  /** Bytes that may wait in memory for a commit before QoS 0 is dropped and QoS 1 held back. */
  appendQueueBytes: 32 * mib,
  /** Segments that could not be handed on, kept to be looked at: the oldest go first. */
  quarantinedSegments: 100,
  quarantinedBytes: 16 * mib,
  /** Of a small database they take no more than this share. */
  quarantinedShare: 1 / 16,
  /** How often a segment is refused before it is given up: by the parent, by the document store. */
  refusalsMax: 3,
  /** Credit windows: bytes in flight on the control and on the bulk connection. */
  controlWindowBytes: mib,
  bulkWindowBytes: 4 * mib,
  /** Frames in flight per connection: with the largest, a whole window. */
  framesInFlight: 16,
  /** Bytes per second of a link below which bodies are sent deflated: slower than that, the time it takes is well spent. */
  deflateBelowBytesPerSecond: 1_000_000,
  /** Segments that a parent refused and that are kept back, and the first pause before such a one is sent again: each is four times the one before. */
  refusedSegments: 10_000,
  refusedPauseMs: 1_000,
  refusedPauseMsMax: 3_600_000,
  /** The pause where the parent hears the origin elsewhere: the news of a move is there within seconds. */
  elsewherePauseMs: 5_000,
  /** Ranges of a stream at the parent beyond which its backlog is sent oldest first: each session that sends the newest first may add one. */
  rangesBeforeOldestFirst: 32,
  /** Bytes that a parent takes in from all children together before they are committed. */
  ingestBytes: 64 * mib,
  /** The least credit of a child while there is room at all: below it one segment would not fit. */
  creditBytesMin: 64 * kib,
  /** Share of its database beyond which a parent takes only P0 from its children. */
  urgentOnlyShare: 0.9,
  /** Milliseconds that a durable publish of a 3.1.1 client which cannot be stored is held before its connection closes. */
  refusedPublishHoldMs: 5_000,
  /** MQTT keepalive of links and clients of our own, seconds. */
  keepaliveSeconds: 10,
  /** Both ends of a link send a heartbeat this often, and give the link up after this long without a byte. */
  heartbeatMs: 3_000,
  linkSilenceMs: 9_000,
  /** One and a half keepalives: losses within it are one story, and within it presence converges. */
  failureWindowMs: 15_000,
  /** So many children, and that share of those that were there, lost within the window: a segment of the network failed. */
  segmentChildren: 3,
  segmentShare: 0.5,
  /** How long a parent that was started anew waits for its children before it counts them as lost: twice their longest back-off. */
  childReturnMs: 60_000,
  /** Changes that presence topics list, and names in a summary. */
  presenceChanges: 20,
  presenceNames: 10,
  /** How long a change must stand before an event tells it; a loss longer: a segment that falls silent shows within one heartbeat. */
  newsSettleMs: 1_000,
  lossSettleMs: 3_500,
  /** Events about single nodes, at once and in the long run; what is beyond is told as a number. Every fog hears those of every other. */
  nodeEventsBurst: 10,
  nodeEventsPerSecond: 2,
  /** Life of the event of a partition: whoever was cut off hears of it afterwards. */
  partitionEventMs: 600_000,
  /** A second node of one name is reported until it has not tried for this long: more than its longest wait. */
  duplicateNameMs: 120_000,
  /**
   * Two of one name below different children are two when both have been live for so long: more than it takes to notice a dead link and
   * to tell of it at eight levels.
   */
  duplicateBesideMs: 30_000,
  /** After so long a node that is kept out for its name may ask again. */
  duplicateRetryMs: 30_000,
  /** Rulings on names that a node passes on. */
  namesDisputed: 1_000,
  /** How long a child waits for the connection, and then for the Welcome. */
  connectTimeoutMs: 5_000,
  helloTimeoutMs: 5_000,
  /** The slowest link that a hello is given the time for to get through: bytes per second. */
  helloBytesPerSecond: 8 * kib,
  /** A link that held this long resets the back-off. */
  linkStableMs: 10_000,
  /** Back-off: first wait, cap in the first minute of an outage, cap after it. */
  backoffMsMin: 100,
  backoffMsMaxEarly: 800,
  backoffMsMaxLate: 30_000,
  backoffEarlyMs: 60_000,
  /** Children that a parent greets per second, at once after a quiet time, and at the same time: each costs a commit and a look at its ledger. */
  hellosPerSecond: 500,
  hellosBurst: 250,
  hellosAtOnce: 100,
  /** Children that were sent away and have a place in the time to come. */
  helloPlaces: 25_000,
  /** After a refusal for a reason that only an operator can mend. */
  refusedBackoffMs: 300_000,
  /** After a refusal because the parent's ledger has no place: one may become free. */
  noPlaceBackoffMs: 60_000,
  /** Retransmission time-out, and how many in a row give the link up. */
  rtoMsMin: 1_000,
  rtoMsMax: 60_000,
  rtoExpiriesMax: 3,
  /** Rows of `/api/v1/data` in one answer. */
  dataRowsMax: 10_000,
  dataRowsDefault: 1_000,
  /** And bytes, beyond which it ends early: by one row at most. */
  dataPageBytes: 8 * mib,
  /** Streams with labels of their own in the metrics, each with a handful of time series: those with most on the way. */
  metricsStreams: 200,
  /** Connections to one broker at once, a few KiB each: ten thousand children with two of them, and clients. */
  connections: 25_000,
  /** Clients that one node lets in per second, and at once after a quiet time: the rest of a storm waits for its turn. */
  connectsPerSecond: 1_000,
  connectsBurst: 1_000,
  /** Characters of a client identifier: it is kept per session and stands in every log line about it. */
  clientIdChars: 256,
  /** Filters of one client: each costs memory, and time of every publish. */
  subscriptionsPerClient: 1_000,
  /** Levels of all filters together, shared ones counted once: about half a KiB each. */
  subscriptionLevels: 250_000,
  /** Wills of all clients, those that are delayed included. */
  willBytes: 64 * mib,
  /** Bytes written to a socket and not sent yet, beyond which QoS 0 is dropped, and beyond which QoS 1 and 2 wait in the session's queue. */
  writeQueueBytesQos0: 8 * mib,
  /** The same over all connections: beyond it nothing more is written at QoS 0 to those that are behind. */
  writeQueuesBytes: 256 * mib,
  writeQueueBytes: mib,
  /** And beyond which nothing more is read from the connection: its answers would only add to it. More than QoS 0 alone can take. */
  writeQueueBytesReading: 10 * mib,
  /** Messages on their way to one client at QoS 1 and 2, and their bytes: small windows cost most of the speed. */
  inflightMessages: 1_000,
  unacknowledgedBytes: 4 * mib,
  /** From a connection to its admission, and for one that takes nothing of what is written to it. */
  connectPacketMs: 10_000,
  stalledMs: 30_000,
  /** How long what was written last may leave before a connection that has ended is cut off. */
  closingMs: 5_000,
  /** Bytes of a CONNECT: nobody has been admitted yet. */
  connectPacketBytes: 128 * kib,
  /** Topic aliases of one connection, each way. */
  topicAliases: 32,
  /** Seconds without a word that an MQTT 5 client may ask for; none and more are answered with this. */
  keepaliveSecondsMax: 3_600,
  /** Publishes of one connection that wait for their verdict; beyond either bound its bytes are left in the socket. */
  heldPublishes: 1_000,
  heldPublishBytes: 2 * mib,
  /** The same over all connections. */
  heldBytesOfNode: 64 * mib,
  /** Own publishes on their way to slow subscribers, beyond which `publish` resolves only when its message has left. */
  ownPublishes: 1_000,
  /** Sessions that outlive their connection, and what they may keep: each, and all together. */
  sessions: 10_000,
  sessionQueueMessages: 10_000,
  sessionQueueBytes: 8 * mib,
  sessionQueuesBytes: 64 * mib,
  /** What the store keeps for one session, beyond which its oldest messages go: a day without its client, once a second. */
  storedQueueMessages: 100_000,
  storedQueueBytes: 64 * mib,
  /** Retained messages. */
  retainedMessages: 100_000,
  retainedBytes: 64 * mib,
  /** Bytes of a request or an envelope; larger arguments are for the block layer. */
  callBytes: 64 * kib,
  /** Characters of a function's name: it is one topic level. */
  functionNameChars: 64,
  /** Life of a call unless it says otherwise, and the longest. */
  callTtlMs: 60_000,
  callTtlMsMax: 7 * 24 * 3_600_000,
  /** What each level of a call at several levels is given unless it says otherwise, and the longest. */
  levelCallMs: 5_000,
  levelCallMsMax: 600_000,
  /** Bytes of the outcomes of level functions that are kept, so that a request which comes again is answered and not run again. */
  levelOutcomeBytes: 16 * mib,
  /** Nodes that a machine message may pass: twice the depth of a tree. */
  callHops: 16,
  /** After so long the store is asked again to keep a call that it had no room for. */
  keepAgainMs: 5_000,
  /** Calls that one node follows at once, and ids that it remembers having run; beyond either new calls are refused. */
  openCalls: 10_000,
  /** Calls of which a node hears nothing but that they are called off, while it looks what it knows of them. */
  bareCancels: 1_000,
  seenCalls: 100_000,
  /** Bytes that one such id takes on the disk with its entry in the index, and the share of a small database that all may take. */
  seenCallBytes: 100,
  seenCallShare: 1 / 16,
  /** Bytes of calls and events that are kept on disk until everybody has heard them, and the share of a small database that they may take. */
  keptCallBytes: 64 * mib,
  keptCallShare: 1 / 8,
  /** Bytes of the results that are kept with those ids, and their share of a small database. */
  keptResultBytes: 16 * mib,
  keptResultShare: 1 / 16,
  /** What is not heard of is sent again after this, doubled each time up to the longest. */
  askAgainMs: 2_000,
  askAgainMsMax: 60_000,
  /** The longest of these for one that is asked because nodes have come below it. */
  lookAgainMsMax: 10_000,
  /** Whoever was heard and has not finished is asked again after this much silence, doubled each time: its last word may be lost. */
  silentMs: 60_000,
  silentMsMax: 3_600_000,
  /** From the decision that enough nodes are ready to their common start. */
  barrierStartMs: 200,
  /** Who left on purpose so shortly before a call was made is waited for like one that is lost: nodes are restarted. */
  leftAwaitedMs: 15 * 60_000,
  /** A start that is past by no more is taken: clocks differ, and a publish takes a while. */
  startLateMs: 5_000,
  /** How long what was open at the stop of a node waits after its start for the time of the tree. */
  syncAwaitedMs: 30_000,
  /** How long a call waits for a program that offered its function, when that lost its connection or the node was started; names kept. */
  offerAwaitedMs: 60_000,
  offeredNames: 256,
  /** Bytes of an entry of the coordinator: ids, names, addresses. */
  coordinatorDataBytes: 65_536,
  /** Nodes that a call may want to be ready: what a tree can have. */
  minNodesMax: 1_000_000,
  /** Bytes of messages from below that wait in the broker for slow local subscribers, beyond which publishing them waits too: twice what one may have waiting. */
  fanOutBytes: 32 * mib,
  /** Results of single nodes in one receipt; counts are always complete. Bytes of one result, characters of one reason. */
  callResults: 1_000,
  /** Nodes that one receipt names because they report elsewhere than before. */
  callDetached: 1_000,
  /** Bytes of all results in one receipt: it must fit into a packet, as JSON too. */
  callReceiptBytes: 256 * kib,
  callResultBytes: 16 * kib,
  /** Bytes of the results of one call at one node when its caller wants all of them, one by one: what is beyond is left out. */
  callStreamBytes: 64 * mib,
  callReasonChars: 1_024,
  /** Bytes of the JSON Schema of a function's arguments, the subschemas that one value is held against (referred ones each time), and compiled ones kept. */
  schemaBytes: 16 * kib,
  schemaParts: 1_000,
  schemasKept: 256,
  /** Items that may have to differ, and steps to hold arguments against a schema: one takes about a microsecond. */
  schemaUniqueItems: 100,
  schemaSteps: 250_000,
  /** An executable that would begin later than this before its deadline does not begin: nobody would hear its result in time. */
  startMarginMs: 100,
  /** How long an executable that is told to end may take, and files about which an operator is told once. */
  killAfterMs: 2_000,
  toldFiles: 1_000,
  /** Receipts go upward, and progress to the caller, at most this often; completion goes at once. */
  receiptMs: 200,
  /** How long after its deadline the caller's node waits for the last receipts. */
  callHopMs: 1_000,
  /** How long a node can repeat the last word on a call. */
  endedCallMs: 10_000,
  /** UTF-8 bytes of a condition: it travels with every machine message. */
  conditionBytes: 2 * kib,
  /** Steps of one evaluation, and nodes of a condition's tree: `exists()` within `exists()` multiplies, and the text is short. */
  conditionSteps: 1_000,
  /** Steps of an evaluation for all that is below one child, and of all of those in a second: a step takes about 50 ns. Beyond either, "it may hold". */
  summarySteps: 50_000,
  summaryStepsPerSecond: 4_000_000,
  /** Steps of one explanation for all nodes below. */
  explanationSteps: 4_000_000,
  /** Levels of a condition's tree, which is walked by recursion. */
  conditionDepth: 32,
  /** Topics that `data()` in conditions knows, short payloads of each, and bytes of the last one: 16 MiB together. */
  dataTopics: 1_000,
  dataSamples: 256,
  dataLastBytes: kib,
  /** Steps of an evaluation that one `data()` takes: it may have to read all of those. */
  dataReadSteps: 50,
  /** Named conditions of one node, how deep they may stand in one another, and the characters of a name. */
  namedConditions: 256,
  conditionsNested: 8,
  conditionNameChars: 64,
  /** Conditions that are kept parsed, since each call that waits may have its own, and the characters of their texts together: a tree takes a hundred times as much. */
  conditionsCached: 4_096,
  conditionsCachedChars: 64 * kib,
  /** Characters of a user's name, and bytes of a password. */
  userNameChars: 64,
  passwordBytes: 1_024,
  /** Access rules of one user: each is compared with every filter that the user asks for. */
  accessRulesPerUser: 100,
  /** Passwords checked at once, each with 32 MiB and a thread, and those that wait for it: about as long as a CONNECT may take. */
  passwordChecks: 2,
  passwordChecksWaiting: 256,
  /** Failed log-ins of one address within the window, beyond which it is sent away; addresses that are remembered. */
  failedLogins: 10,
  failedLoginWindowMs: 60_000,
  /** Log-ins that wait because ten of their address are being checked. */
  loginsWaiting: 10_000,
  failedLoginAddresses: 10_000,
  /** Days with something in them that one statistics row keeps one by one: a year and a month, so that failures told late still find their day. */
  statisticsDays: 400,
  /** Uses that one statistics row names. */
  statisticsUses: 100,
  /** Bytes of a server's hostname, as the original's buffer had them. */
  hostnameBytes: 128,
  /** Characters of an entry that a server writes into the coordinator: ids and short strings alone. */
  entryChars: 4_096,
  /** Fellows that one server connects to: each is a connection and two subscriptions. */
  fellows: 256,
  /** Fellows of which is remembered what they sent, over all time: whoever was silent for longest is forgotten first. */
  fellowsRemembered: 1_000,
  /** Messages to one fellow that may be open at once, which is also what it remembers of us; and their bytes to all fellows together. */
  fellowWindow: 1_000,
  fellowOpenBytes: 64 * mib,
  /** Bytes of one message between fellows: beside its head it fits into a packet. */
  fellowMessageBytes: 512 * kib,
  /** How long a fellow may take to acknowledge before the path by its UUID is used, and how long a message lives unless it says otherwise. */
  fellowAckMs: 5_000,
  fellowTtlMs: 60_000,
  /** A start that waits says so this often. */
  startDelayLogMs: 60_000,
  /** How long offers to answer a device's message are collected, unless all servers have offered before. */
  offerMs: 250,
  /** Requests of clients, services and others that wait for their response; and how long one may wait. */
  openRequests: 10_000,
  requestMs: 60_000,
  /** Bytes of the correlation data, or characters of the id, that go back with a response. */
  correlationBytes: 1_024,
  /** Characters of a database's kind, such as `mongodb`. */
  databaseTypeChars: 64,
  /** A graceful stop takes no longer than this. */
  stopMs: 10_000,
  /** Of that, the time to hand on what is stored. */
  stopDrainMs: 3_000,
} as const;
