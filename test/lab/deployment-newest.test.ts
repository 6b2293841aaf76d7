import { newestVersion } from '../../lab/mirror/plans/index.js';
import { deploymentStory } from './deployment-story.js';

deploymentStory(newestVersion);
