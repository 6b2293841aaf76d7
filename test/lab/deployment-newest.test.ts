import { newestVersion } from '../../lab/mirror/plans/index.js';
import { conformanceSample } from './conformance-sample.js';
import { deploymentStory } from './deployment-story.js';

deploymentStory(newestVersion, conformanceSample);
