import type { ClusterInfo } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_pb.js';
import type { SupportedMethods } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_pb.js';
import { features, gossip, shared } from './stubs.js';

/** A cluster of one, which leads: what clients with several hosts or `+discover` ask for. */
export const clusterInfo = (port: number): ClusterInfo => {
  const id = new shared.UUID();
  id.setString('5b1f3c0e-6a51-4d6e-9d5a-3c2d1e0f4a5b');
  const endpoint = new gossip.EndPoint();
  endpoint.setAddress('127.0.0.1');
  endpoint.setPort(port);
  const member = new gossip.MemberInfo();
  member.setInstanceId(id);
  member.setTimeStamp(String(Date.now() * 10_000));
  member.setState(gossip.MemberInfo.VNodeState.LEADER);
  member.setIsAlive(true);
  member.setHttpEndPoint(endpoint);
  const info = new gossip.ClusterInfo();
  info.setMembersList([member]);
  return info;
};

export const supportedMethods = (batchAppend: boolean): SupportedMethods => {
  const names = ['read', 'append', 'delete', 'tombstone', ...(batchAppend ? ['batchappend'] : [])];
  const methods = names.map((name) => {
    const method = new features.SupportedMethod();
    method.setServiceName('event_store.client.streams.streams');
    method.setMethodName(name);
    if (name === 'read') method.setFeaturesList(['position', 'events']);
    return method;
  });
  const answer = new features.SupportedMethods();
  answer.setEventStoreServerVersion('25.1.0');
  answer.setMethodsList(methods);
  return answer;
};
