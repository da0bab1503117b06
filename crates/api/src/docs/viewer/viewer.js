// Shows /openapi.json in Swagger UI. Requests go to this server only.
//
// JavaScript's numbers are exact up to 2^53, and integers of the interface are of any length. Swagger UI reads JSON as
// JavaScript does, so it is given the text of examples and answers, with their digits as they came.
'use strict';

(() => {
  // Begins a string that holds the digits of an integer. A private-use character: no text of the interface has it.
  const MARK = '\uE000';
  const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const INEXACT = /^-?\d{16,}$/;

  /** Reads JSON, with integers that JavaScript may not hold as marked strings of their digits. */
  function parse(text) {
    const marked = text.replace(STRING_OR_NUMBER, (token) => (INEXACT.test(token) ? `"${MARK}${token}"` : token));
    return JSON.parse(marked);
  }

  /** Writes what `parse` has read as indented JSON, with every digit. */
  function print(value) {
    return JSON.stringify(value, null, 2).replace(new RegExp(`"${MARK}(-?\\d+)"`, 'g'), '$1');
  }

  /** The document as the viewer takes it: examples of answers as text, other integers as numbers. */
  function forViewer(value) {
    if (typeof value === 'string' && value.startsWith(MARK)) {
      return Number(value.slice(MARK.length));
    }
    if (Array.isArray(value)) {
      return value.map(forViewer);
    }
    if (value === null || typeof value !== 'object') {
      return value;
    }
    const members = Object.entries(value).map(([name, member]) => {
      const isExample = name === 'value' && 'summary' in value;
      return [name, isExample ? print(member) : forViewer(member)];
    });
    return withoutDefault(Object.fromEntries(members));
  }

  /**
   * An optional parameter with its example in its description: "Try it out" would send the example, though a request may
   * be meant without the parameter, and a cursor is valid for a while only.
   */
  function withoutDefault(item) {
    if (!('in' in item) || !('example' in item) || item.required) {
      return item;
    }
    const { example, ...parameter } = item;
    return { ...parameter, description: `${item.description} Such as \`${[example].flat().join(',')}\`.` };
  }

  /** An answer in JSON, or its text as it came where it is none. */
  function exactAnswer(text) {
    try {
      return print(parse(text));
    } catch {
      return text;
    }
  }

  /** What differs from Swagger UI as it comes. */
  const plugin = (system) => ({
    // The text of an example as it is. Swagger UI would parse it, as its schema is no string's.
    afterLoad() {
      const original = this.fn.getSampleSchema;
      this.fn.getSampleSchema = (schema, contentType, config, example) =>
        typeof example === 'string' ? example : original(schema, contentType, config, example);
    },
    wrapComponents: {
      // The page itself has the title, the description and the links.
      InfoContainer: () => () => null,
      // There is one server: this one.
      ServersContainer: () => () => null,
      responseBody: (Original) => (properties) => {
        const { content, contentType } = properties;
        const isJson = typeof content === 'string' && /json/i.test(contentType ?? '');
        const exact = isJson ? { content: exactAnswer(content), contentType: 'text/plain' } : {};
        return system.React.createElement(Original, { ...properties, ...exact });
      },
    },
  });

  /** Goes to what the address names once the viewer has its height: the problem types are below it. */
  function goToAnchor(viewer) {
    const anchor = document.getElementById(window.location.hash.slice(1));
    if (anchor === null) {
      return;
    }
    const observer = new MutationObserver(() => {
      if (viewer.querySelector('.opblock') !== null) {
        observer.disconnect();
        anchor.scrollIntoView();
      }
    });
    observer.observe(viewer, { childList: true, subtree: true });
  }

  async function show() {
    const viewer = document.getElementById('viewer');
    goToAnchor(viewer);
    try {
      const answer = await fetch(viewer.dataset.openapi);
      if (!answer.ok) {
        throw new Error(`the server answered ${answer.status}`);
      }
      window.SwaggerUIBundle({
        spec: forViewer(parse(await answer.text())),
        domNode: viewer,
        plugins: [plugin],
        supportedSubmitMethods: ['get'],
        deepLinking: true,
        defaultModelsExpandDepth: -1,
        docExpansion: 'list',
        displayRequestDuration: true,
        // Would send the document's address to a server of Swagger.
        validatorUrl: null,
      });
    } catch (error) {
      viewer.textContent = `The interface cannot be shown: ${error.message}. The page without scripts is at /docs/reference.`;
    }
  }

  show();
})();
