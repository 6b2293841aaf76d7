import { seedVersion } from '../../lab/mirror/plans/index.js';
import { deploymentStory } from './deployment-story.js';

deploymentStory(seedVersion);
