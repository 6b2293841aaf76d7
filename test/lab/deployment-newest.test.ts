import { newestVersion } from '../../lab/mirror/plans/index.js';
import { conformanceSample } from './conformance-sample.js';
import { deploymentStory, masters, nodes } from './deployment-story.js';
import { everyHostReboots } from './reboot.js';

deploymentStory(newestVersion, (run) => {
  conformanceSample(run);
  const joined = [...nodes, 'node03'];
  everyHostReboots(run, [...masters, ...joined], joined);
});
