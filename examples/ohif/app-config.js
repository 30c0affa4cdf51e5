// OHIF's configuration for a stack of Imaging Index in AWS. Fill in the five values.
{
  const index = 'https://abcde12345.execute-api.us-east-1.amazonaws.com/dicomweb'; // the stack's output DicomwebUrl
  const healthimaging = 'https://dicom-medical-imaging.us-east-1.amazonaws.com'; // with your region
  const datastore = '0123456789abcdef0123456789abcdef'; // the id of the data store
  const pool = 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123'; // the user pool's issuer
  const client = '1example23456789abcdefghij'; // the id of the viewer's app client

  window.config = {
    routerBasename: '/',
    showStudyList: true,
    extensions: [],
    modes: [],
    oidc: [
      {
        authority: pool,
        client_id: client,
        response_type: 'code',
        redirect_uri: '/callback',
        post_logout_redirect_uri: '/',
        scope: 'openid imaging/search',
      },
    ],
    defaultDataSourceName: 'imaging-index',
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'imaging-index',
        configuration: {
          friendlyName: 'Imaging Index',
          // Studies are searched in the index; everything else is HealthImaging's. Both paths end alike.
          qidoRoot: `${index}/datastore/${datastore}`,
          wadoRoot: `${healthimaging}/datastore/${datastore}`,
          qidoSupportsIncludeField: true,
          // Without these two OHIF searches for parts of words, which no index serves.
          supportsFuzzyMatching: true,
          supportsWildcard: false,
          imageRendering: 'wadors',
          thumbnailRendering: 'wadors',
          enableStudyLazyLoad: true,
          omitQuotationForMultipartRequest: true,
        },
      },
    ],
  };
}
